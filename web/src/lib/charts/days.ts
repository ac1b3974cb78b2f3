// Events per day: stored ones, and what was accepted beside them (profile updates). Pure.
import type { Overview } from '$lib/api/types';
import { day, shortDay } from '$lib/format';
import { type Option, FONT, categoryAxis, tooltip, valueAxis } from './base';
import type { Palette } from './palette';

type Day = Overview['per_day'][number];

/** The last days with no day left out, so that a silent day shows as one. */
export function filled(days: Day[], most: number): Day[] {
	const last = days.at(-1);
	const first = days[0];
	if (!last || !first) return [];
	const known = new Map(days.map((one) => [one.day, one]));
	const all: Day[] = [];
	const cursor = new Date(`${last.day}T00:00:00Z`);
	while (all.length < most) {
		const name = cursor.toISOString().slice(0, 10);
		if (name < first.day) break;
		all.unshift(known.get(name) ?? { day: name, accepted: 0, stored: 0 });
		cursor.setUTCDate(cursor.getUTCDate() - 1);
	}
	return all;
}

export function perDay(days: Day[], palette: Palette): Option {
	const bar = (name: string, data: number[], color: string, radius: number[]) => ({
		name,
		type: 'bar',
		stack: 'day',
		data,
		barMaxWidth: 22,
		itemStyle: { color, borderRadius: radius }
	});
	return {
		textStyle: { fontFamily: FONT },
		legend: { top: 0, left: 0, icon: 'roundRect', itemWidth: 10, itemHeight: 10, textStyle: { color: palette.muted, fontFamily: FONT } },
		grid: { left: 4, right: 8, top: 34, bottom: 4, containLabel: true },
		tooltip: { ...tooltip(palette), trigger: 'axis', axisPointer: { type: 'shadow' } },
		xAxis: { ...categoryAxis(palette, days.map((one) => shortDay(one.day))) },
		yAxis: valueAxis(palette),
		series: [
			bar('Events stored', days.map((one) => one.stored), palette.accent, [0, 0, 0, 0]),
			bar('Profile updates', days.map((one) => Math.max(0, one.accepted - one.stored)), palette.forms.token, [3, 3, 0, 0])
		]
	};
}

export const dayLabel = (one: Day): string => day(one.day);
