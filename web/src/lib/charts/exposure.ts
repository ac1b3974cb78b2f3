// People exposed by category, both bases beside each other. Pure.
import type { Radius } from '$lib/api/types';
import { sensitivityRank } from '$lib/forms';
import { type Option, FONT, categoryAxis, tooltip, valueAxis } from './base';
import type { Palette } from './palette';

export interface CategoryRow {
	category: string;
	sensitivity: string;
	sent: number;
	held: number;
}

/** Both bases by category; the most sensitive first, then by people. */
export function byCategory(sent: Radius | undefined, held: Radius | undefined): CategoryRow[] {
	const rows = new Map<string, CategoryRow>();
	const put = (radius: Radius | undefined, basis: 'sent' | 'held') => {
		for (const { category, sensitivity, people } of radius?.categories ?? []) {
			const row = rows.get(category) ?? { category, sensitivity, sent: 0, held: 0 };
			row[basis] = people;
			rows.set(category, row);
		}
	};
	put(sent, 'sent');
	put(held, 'held');
	return [...rows.values()].sort(
		(one, other) =>
			sensitivityRank(other.sensitivity) - sensitivityRank(one.sensitivity) ||
			Math.max(other.sent, other.held) - Math.max(one.sent, one.held) ||
			one.category.localeCompare(other.category)
	);
}

/** Height that gives each category the same room. */
export const exposureHeight = (rows: CategoryRow[]): number => 52 + rows.length * 34;

/** On a narrow screen the labels take two lines and leave the sensitivity to the table, so that the bars have room. */
export function exposure(rows: CategoryRow[], palette: Palette, narrow = false): Option {
	const bar = (name: string, data: number[], color: string) => ({
		name,
		type: 'bar',
		data,
		barMaxWidth: 11,
		barGap: '15%',
		itemStyle: { color, borderRadius: [0, 3, 3, 0] }
	});
	return {
		textStyle: { fontFamily: FONT },
		legend: { top: 0, left: 0, icon: 'roundRect', itemWidth: 10, itemHeight: 10, textStyle: { color: palette.muted, fontFamily: FONT } },
		grid: { left: 4, right: 24, top: 30, bottom: 4, containLabel: true },
		tooltip: { ...tooltip(palette), trigger: 'axis', axisPointer: { type: 'shadow' } },
		xAxis: valueAxis(palette),
		yAxis: {
			...categoryAxis(palette, rows.map((row) => (narrow ? row.category.replace(/^(user\..*)\./, '$1.\n') : `${row.category}  (${row.sensitivity})`))),
			inverse: true,
			axisLabel: { color: palette.text, fontFamily: FONT, fontSize: narrow ? 11 : 12, lineHeight: 13, width: narrow ? 150 : 280, overflow: 'truncate' }
		},
		series: [
			bar('Sent in the window', rows.map((row) => row.sent), palette.accent),
			bar('Held now', rows.map((row) => row.held), palette.forms.clear)
		]
	};
}
