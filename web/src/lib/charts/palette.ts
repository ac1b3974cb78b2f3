// The charts' colours in both schemes; the same hues as the variables in app.css.
import type { FormKind } from '$lib/forms';

export interface Palette {
	text: string;
	muted: string;
	line: string;
	panel: string;
	accent: string;
	series: string[];
	forms: Record<FormKind, string>;
}

export const light: Palette = {
	text: '#0f1f2c',
	muted: '#536473',
	line: '#e1e7ec',
	panel: '#ffffff',
	accent: '#0a6481',
	series: ['#0b6f90', '#d0661f', '#6a52d1', '#2a8f57', '#c43b6b', '#9a7400', '#4a7bd8', '#7d6a5a', '#00948a', '#a24fb8'],
	forms: { clear: '#d0661f', coarse: '#b08a0a', token: '#6a52d1', sealed: '#128077', withheld: '#7f8d99' }
};

export const dark: Palette = {
	text: '#e3ebf1',
	muted: '#93a6b5',
	line: '#1f2e3a',
	panel: '#101a22',
	accent: '#5cc2de',
	series: ['#5cc2de', '#ff9a5f', '#a899ff', '#62d197', '#f280a5', '#e2bd4a', '#8bb0ff', '#c3ad9b', '#4fd0c3', '#d795ea'],
	forms: { clear: '#ff9a5f', coarse: '#e2bd4a', token: '#a899ff', sealed: '#4fc9bd', withheld: '#94a4b2' }
};

/** A series' colour by its place; it repeats after the last. */
export function seriesColor(palette: Palette, index: number): string {
	return palette.series[index % palette.series.length] ?? palette.accent;
}
