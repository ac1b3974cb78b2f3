// Trends as lines or bars; buckets that are not over are dashed or pale. Pure.
import type { Segmentation, Unit } from '$lib/api/types';
import { monthOf, shortDay } from '$lib/format';
import { type Option, FONT, categoryAxis, escape, tooltip, valueAxis } from './base';
import { type Palette, seriesColor } from './palette';

export type Shape = 'line' | 'bar';

/** A series' name: its event, its segment, or both where several events are broken down. */
export function seriesName(series: Segmentation['series'][number], events: number): string {
	const segment = series.segment.map((part) => (part === null ? '(not set)' : part === '$other' ? 'Other' : part)).join(' · ');
	const event = series.event === '$all' ? 'Any event' : series.event;
	if (segment === '') return event;
	return events > 1 ? `${event}: ${segment}` : segment;
}

/** A bucket's label: a month, the first day of a week, a day, or the day and hour of a local time with its offset. */
export function bucketLabel(bucket: string, unit: Unit = 'day'): string {
	if (unit === 'month') return monthOf(bucket);
	if (unit === 'week') return `from ${shortDay(bucket)}`;
	const hour = /T(\d\d:\d\d)/.exec(bucket)?.[1];
	return hour ? `${shortDay(bucket)} ${hour}` : shortDay(bucket);
}

/** A line in two: what is complete, and the dashed rest, which shares the last complete point so that they meet. */
export function split(values: (number | null)[], incomplete: boolean[]): { solid: (number | null)[]; dashed: (number | null)[] } {
	const near = (index: number) => incomplete[index - 1] === true || incomplete[index + 1] === true;
	return {
		solid: values.map((value, index) => (incomplete[index] ? null : value)),
		dashed: values.map((value, index) => (incomplete[index] || near(index) ? value : null))
	};
}

export function trends(answer: Segmentation, shape: Shape, palette: Palette, unit: Unit = 'day'): Option {
	const events = new Set(answer.series.map((one) => one.event)).size;
	const partial = answer.incomplete.some(Boolean);
	const series = answer.series.flatMap((one, index): Record<string, unknown>[] => {
		const name = seriesName(one, events);
		const color = seriesColor(palette, index);
		if (shape === 'bar') {
			const data = one.values.map((value, at) => ({ value, itemStyle: { color, opacity: answer.incomplete[at] ? 0.4 : 1 } }));
			return [{ name, type: 'bar', stack: 'all', barMaxWidth: 34, data, itemStyle: { color } }];
		}
		const line = { name, type: 'line', symbol: 'circle', symbolSize: 5, showSymbol: answer.buckets.length < 45, itemStyle: { color } };
		const { solid, dashed } = split(one.values, answer.incomplete);
		const whole = { ...line, data: solid, lineStyle: { color, width: 2 } };
		if (!partial) return [whole];
		// Where both lines meet, the point is that of the complete one.
		const points = dashed.map((value, at) => (value === null || answer.incomplete[at] ? value : { value, symbol: 'none' }));
		return [whole, { ...line, data: points, lineStyle: { color, width: 2, type: [4, 4] }, symbol: 'emptyCircle' }];
	});
	const tip = (points: { dataIndex: number }[]) => {
		const at = points[0]?.dataIndex ?? 0;
		const rows = answer.series.map((one, index) => {
			const dot = `<span style="color:${seriesColor(palette, index)}">●</span>`;
			return `${dot} ${escape(seriesName(one, events))} <b>${(one.values[at] ?? 0).toLocaleString('en')}</b>`;
		});
		const rest = answer.incomplete[at] ? ' (incomplete)' : '';
		return `${escape(bucketLabel(answer.buckets[at] ?? '', unit))}${rest}<br>${rows.join('<br>')}`;
	};
	return {
		textStyle: { fontFamily: FONT },
		legend: { type: 'plain', bottom: 0, left: 0, icon: 'roundRect', itemWidth: 10, itemHeight: 10, textStyle: { color: palette.muted, fontFamily: FONT } },
		grid: { left: 4, right: 16, top: 14, bottom: 42, containLabel: true },
		tooltip: { ...tooltip(palette), trigger: 'axis', formatter: tip },
		xAxis: { ...categoryAxis(palette, answer.buckets.map((bucket) => bucketLabel(bucket, unit))), boundaryGap: shape === 'bar' },
		yAxis: valueAxis(palette),
		series
	};
}
