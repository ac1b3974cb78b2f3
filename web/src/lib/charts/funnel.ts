// A funnel's answer as bars, rows, a histogram of times and a trend. Pure.
import type { Funnel, Unit } from '$lib/api/types';
import { lasting } from '$lib/format';
import { segmentName } from '$lib/selection';
import { type Option, FONT, categoryAxis, escape, tooltip, valueAxis } from './base';
import { shares } from './lines';
import type { Palette } from './palette';
import { bucketLabel } from './trends';

export type Counts = Funnel['steps'][number];

/** A funnel that is drawn: everybody's, or a segment's. */
export interface Group {
	name: string;
	steps: Counts[];
}

/** Segments drawn beside each other; the table has all. */
export const DRAWN = 8;

/** Everybody where nothing is broken down, else the segments. */
export function groups(answer: Funnel): Group[] {
	if (answer.segments.length === 0) return [{ name: 'Everybody', steps: answer.steps }];
	return answer.segments.map(({ segment, steps }) => ({ name: segmentName(segment), steps }));
}

/** How many reached the step before and not this one; an optional step loses nobody whom a later step has. */
export function dropped(steps: Counts[], at: number): number {
	const before = steps[at - 1]?.count ?? 0;
	return at === 0 ? 0 : Math.max(0, before - (steps[at]?.count ?? 0));
}

export interface Row extends Counts {
	at: number;
	step: string;
	group: string;
	dropped: number;
}

/** Every step of everybody, then of every segment: the table twin. */
export function rows(answer: Funnel, names: string[]): Row[] {
	const all: Group[] = [{ name: answer.segments.length === 0 ? '' : 'Everybody', steps: answer.steps }, ...(answer.segments.length === 0 ? [] : groups(answer))];
	return all.flatMap(({ name, steps }) => steps.map((one, at) => ({ ...one, at, step: `${at + 1} ${names[at] ?? ''}`, group: name, dropped: dropped(steps, at) })));
}

export const binLabel = ({ from_s, to_s }: Funnel['histogram'][number]): string => `${lasting(from_s)} to ${lasting(to_s)}`;

/** How long those who converted took. */
export function histogram(bins: Funnel['histogram'], palette: Palette, noun: (count: number) => string): Option {
	const tip = (points: { dataIndex: number }[]) => {
		const bin = bins[points[0]?.dataIndex ?? 0];
		return bin ? `${escape(binLabel(bin))}<br><b>${bin.count.toLocaleString('en')}</b> ${noun(bin.count)}` : '';
	};
	return {
		textStyle: { fontFamily: FONT },
		grid: { left: 4, right: 12, top: 10, bottom: 4, containLabel: true },
		tooltip: { ...tooltip(palette), trigger: 'axis', axisPointer: { type: 'shadow' }, formatter: tip },
		xAxis: categoryAxis(palette, bins.map((bin) => lasting(bin.from_s))),
		yAxis: valueAxis(palette),
		series: [{ type: 'bar', name: 'Converted', barCategoryGap: '12%', data: bins.map((bin) => bin.count), itemStyle: { color: palette.accent, borderRadius: [3, 3, 0, 0] } }]
	};
}

/** Per later step and bucket the share of those who entered; null where nobody did. */
export function conversions(trend: NonNullable<Funnel['trend']>): (number | null)[][] {
	const [entered = [], ...later] = trend.steps;
	return later.map((counts) => counts.map((count, at) => ((entered[at] ?? 0) > 0 ? count / (entered[at] ?? 1) : null)));
}

export function funnelTrend(trend: NonNullable<Funnel['trend']>, names: string[], unit: Unit, palette: Palette): Option {
	const all = conversions(trend).map((values, index) => ({ name: `${index + 2} ${names[index + 1] ?? ''}`, values }));
	return shares(trend.buckets.map((bucket) => bucketLabel(bucket, unit)), trend.incomplete, all, palette);
}
