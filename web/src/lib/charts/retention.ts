// A retention answer as a heat map's cells, curves, and the rows of their tables. Pure.
import type { Retention } from '$lib/api/types';
import { counted } from '$lib/format';
import { type RetentionUnit, bucketName } from '$lib/retention';
import { segmentName } from '$lib/selection';
import type { Option } from './base';
import { type Line, percent, shares } from './lines';
import type { Palette } from './palette';
import { bucketLabel } from './trends';

export type Cohort = Retention['cohorts'][number];

export interface Cell {
	/** Share of the cohort, 0 to 1; null for a cohort of nobody. */
	share: number | null;
	count: number;
	/** The bucket is not over for all of the cohort: the share is a lower bound. */
	incomplete: boolean;
}

export const cellsOf = ({ size, counts, incomplete }: Cohort): Cell[] =>
	counts.map((count, at) => ({ count, share: size > 0 ? count / size : null, incomplete: incomplete[at] ?? false }));

export const cohortName = (cohort: Cohort, unit: RetentionUnit): string => bucketLabel(cohort.start, unit);

/** What a cell says in words, for the pointer and the focus. */
export function words(cohort: Cohort, at: number, bucket: string, unit: RetentionUnit): string {
	const cell = cellsOf(cohort)[at];
	if (!cell) return '';
	const of = `${counted(cell.count, 'person', 'people')} of ${cohort.size.toLocaleString('en')}`;
	return `${cohortName(cohort, unit)}, ${bucket}: ${of} (${percent(cell.share)})${cell.incomplete ? ', not over yet' : ''}`;
}

/** Everybody's curve, then the segments'. */
export function curvesOf(answer: Retention): (Line & { size: number })[] {
	const size = answer.cohorts.reduce((sum, cohort) => sum + cohort.size, 0);
	const own = answer.segments.map((one) => ({ name: segmentName(one.segment), values: one.average, size: one.size }));
	return [{ name: own.length > 0 ? 'Everybody' : 'Average', values: answer.average, size }, ...own];
}

/** Segments drawn beside everybody; the table has all. */
export const DRAWN = 8;

export function curves(answer: Retention, unit: RetentionUnit, palette: Palette): Option {
	const places = answer.buckets.map((bucket) => bucketName(bucket as number[], unit));
	return shares(places, places.map(() => false), curvesOf(answer).slice(0, DRAWN + 1), palette);
}
