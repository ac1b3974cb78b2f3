// What all charts share: type, axes, the tooltip. Pure.
import type { EChartsCoreOption } from 'echarts/core';
import type { Palette } from './palette';

export type Option = EChartsCoreOption;
export const FONT = "'Inter', system-ui, sans-serif";

export function tooltip(palette: Palette): Record<string, unknown> {
	return {
		backgroundColor: palette.panel,
		borderColor: palette.line,
		textStyle: { color: palette.text, fontFamily: FONT, fontSize: 12.5 },
		extraCssText: 'border-radius:8px;box-shadow:0 8px 24px rgb(0 0 0 / 16%);max-width:340px;white-space:normal',
		confine: true
	};
}

export function categoryAxis(palette: Palette, data: string[]): Record<string, unknown> {
	return {
		type: 'category',
		data,
		axisTick: { show: false },
		axisLine: { lineStyle: { color: palette.line } },
		axisLabel: { color: palette.muted, fontFamily: FONT, fontSize: 11.5, hideOverlap: true }
	};
}

export function valueAxis(palette: Palette): Record<string, unknown> {
	return {
		type: 'value',
		minInterval: 1,
		splitLine: { lineStyle: { color: palette.line } },
		axisLabel: { color: palette.muted, fontFamily: FONT, fontSize: 11.5, hideOverlap: true }
	};
}

/** Text for a tooltip, which is HTML: names of events and values come from outside. */
export function escape(text: string): string {
	return text.replace(/[&<>"']/g, (mark) => `&#${mark.charCodeAt(0)};`);
}
