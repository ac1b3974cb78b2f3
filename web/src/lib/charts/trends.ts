// Trends as lines or bars; buckets that are not over are dashed or pale. Pure.
import type { Segmentation, Unit } from '$lib/api/types';
import { count, monthOf, shortDay } from '$lib/format';
import { eventName, segmentName } from '$lib/selection';
import type { Option } from './base';
import { frame, lines } from './lines';
import { type Palette, seriesColor } from './palette';

export type Shape = 'line' | 'bar';

/** A series' name: its event, its segment, or both where several events are broken down. */
export function seriesName(series: Segmentation['series'][number], events: number): string {
	const segment = segmentName(series.segment);
	const event = eventName(series.event);
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

export function trends(answer: Segmentation, shape: Shape, palette: Palette, unit: Unit = 'day'): Option {
	const events = new Set(answer.series.map((one) => one.event)).size;
	const places = answer.buckets.map((bucket) => bucketLabel(bucket, unit));
	const all = answer.series.map((one) => ({ name: seriesName(one, events), values: one.values }));
	if (shape === 'line') return lines(places, answer.incomplete, all, palette);
	const series = all.map(({ name, values }, index) => {
		const color = seriesColor(palette, index);
		const data = values.map((value, at) => ({ value, itemStyle: { color, opacity: answer.incomplete[at] ? 0.4 : 1 } }));
		return { name, type: 'bar', stack: 'all', barMaxWidth: 34, data, itemStyle: { color } };
	});
	const around = frame(places, answer.incomplete, all, palette, count);
	return { ...around, xAxis: { ...(around.xAxis as object), boundaryGap: true }, series };
}
