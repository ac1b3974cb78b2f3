// Lines over steps of time or of anything else; what is not over yet is dashed. Pure.
import { type Option, FONT, categoryAxis, escape, tooltip, valueAxis } from './base';
import { type Palette, seriesColor } from './palette';

export interface Line {
	name: string;
	/** Per place its value; null where there is none. */
	values: (number | null)[];
}

/** A line in two: what is complete, and the dashed rest, which shares the last complete point so that they meet. */
export function split(values: (number | null)[], incomplete: boolean[]): { solid: (number | null)[]; dashed: (number | null)[] } {
	const near = (index: number) => incomplete[index - 1] === true || incomplete[index + 1] === true;
	return {
		solid: values.map((value, index) => (incomplete[index] ? null : value)),
		dashed: values.map((value, index) => (incomplete[index] || near(index) ? value : null))
	};
}

/** The lines with their legend, axes and a tooltip that names every line at a place. */
export function lines(places: string[], incomplete: boolean[], all: Line[], palette: Palette, says: (value: number) => string = (value) => value.toLocaleString('en')): Option {
	const partial = incomplete.some(Boolean);
	const series = all.flatMap(({ name, values }, index): Record<string, unknown>[] => {
		const color = seriesColor(palette, index);
		const line = { name, type: 'line', symbol: 'circle', symbolSize: 5, showSymbol: places.length < 45, itemStyle: { color } };
		const { solid, dashed } = split(values, incomplete);
		const whole = { ...line, data: solid, lineStyle: { color, width: 2 } };
		if (!partial) return [whole];
		// Where both lines meet, the point is that of the complete one.
		const points = dashed.map((value, at) => (value === null || incomplete[at] ? value : { value, symbol: 'none' }));
		return [whole, { ...line, data: points, lineStyle: { color, width: 2, type: [4, 4] }, symbol: 'emptyCircle' }];
	});
	return { ...frame(places, incomplete, all, palette, says), series };
}

/** All but the series: what lines and bars over the same places share. */
export function frame(places: string[], incomplete: boolean[], all: Line[], palette: Palette, says: (value: number) => string): Record<string, unknown> {
	const tip = (points: { dataIndex: number }[]) => {
		const at = points[0]?.dataIndex ?? 0;
		const rows = all.map(({ name, values }, index) => {
			const value = values[at];
			const dot = `<span style="color:${seriesColor(palette, index)}">●</span>`;
			return `${dot} ${escape(name)} <b>${value === null || value === undefined ? '–' : says(value)}</b>`;
		});
		return `${escape(places[at] ?? '')}${incomplete[at] ? ' (incomplete)' : ''}<br>${rows.join('<br>')}`;
	};
	const axis = valueAxis(palette);
	return {
		textStyle: { fontFamily: FONT },
		legend: { type: 'plain', bottom: 0, left: 0, icon: 'roundRect', itemWidth: 10, itemHeight: 10, textStyle: { color: palette.muted, fontFamily: FONT } },
		grid: { left: 4, right: 16, top: 14, bottom: 42, containLabel: true },
		tooltip: { ...tooltip(palette), trigger: 'axis', formatter: tip },
		xAxis: { ...categoryAxis(palette, places), boundaryGap: false },
		yAxis: { ...axis, axisLabel: { ...(axis.axisLabel as object), formatter: says } }
	};
}

const percents = new Intl.NumberFormat('en', { style: 'percent', maximumFractionDigits: 1 });
/** A share of 0 to 1 as people read it. */
export const percent = (share: number | null | undefined): string => (share === null || share === undefined ? '–' : percents.format(share));

/** As `lines`, for shares of 0 to 1. */
export function shares(places: string[], incomplete: boolean[], all: Line[], palette: Palette): Option {
	const option = lines(places, incomplete, all, palette, percent) as Record<string, unknown>;
	return { ...option, yAxis: { ...(option.yAxis as object), minInterval: 0, min: 0 } };
}
