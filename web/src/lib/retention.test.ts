// Retention: the form's request and what is drawn of the answer.
import { describe, expect, it } from 'vitest';
import type { Retention } from './api/types';
import { light } from './charts/palette';
import { cellsOf, curves, curvesOf, words } from './charts/retention';
import { fromLink, toLink } from './link';
import { blank, bucketName, bucketsOf, changed, ends, items, toRequest } from './retention';
import { eventDraft } from './selection';

type Any = Record<string, any>;
const answer: Retention = {
	buckets: [[0, 0], [1, 2]],
	cohorts: [{ start: '2026-11-02', size: 4, counts: [4, 1], incomplete: [false, true], cut: false }, { start: '2026-11-03', size: 0, counts: [0, 0], incomplete: [true, true], cut: true }],
	average: [1, null],
	segments: [{ segment: ['pro'], size: 3, counts: [3, 1], average: [1, 0.5] }],
	snapshot: '1.0'
};

describe('retention question', () => {
	const draft = { ...blank(), project: 'p', from: 'a', to: 'b', born: eventDraft('A'), returned: eventDraft('$all') };
	it('says nothing of brackets and time zone unless asked', () => {
		const plain = toRequest(draft);
		expect(['brackets', 'timezone'].some((key) => key in plain)).toBe(false);
		expect([plain.born, plain.counted, plain.births, plain.alignment, plain.birth_returns]).toEqual([{ event: 'A', filters: [] }, 'on_or_after', 'first', 'rolling', false]);
		expect(changed(draft)).toBe(0);
	});
	it('reads the ends of buckets, and nothing that is not one', () => {
		expect([ends('1, 3 7'), ends(' '), ends('1, x'), ends('0'), ends('1.5')]).toEqual([[1, 3, 7], null, undefined, undefined, undefined]);
		expect(bucketsOf([1, 3, 7]).map((one) => bucketName(one, 'day'))).toEqual(['Day 0', 'Days 1–2', 'Days 3–6']);
		expect(toRequest({ ...draft, brackets: '1, 3' }).brackets).toEqual([1, 3]);
		expect('brackets' in toRequest({ ...draft, brackets: '1, x' })).toBe(false);
	});
	it('comes back from a link', () => {
		const full = { ...draft, brackets: '1, 3', birth_returns: true, counted: 'on' as const, breakdown: ['plan'] };
		expect(fromLink(blank(), new URLSearchParams({ q: toLink(blank(), full) }), items)).toEqual(full);
		expect(changed(full)).toBe(3);
	});
});

describe('retention answer', () => {
	it('has a share for each bucket, none for a cohort of nobody', () => {
		expect(cellsOf(answer.cohorts[0]!)).toEqual([{ count: 4, share: 1, incomplete: false }, { count: 1, share: 0.25, incomplete: true }]);
		expect(cellsOf(answer.cohorts[1]!)[0]?.share).toBeNull();
	});
	it('tells a cell in words', () => {
		expect(words(answer.cohorts[0]!, 1, 'Days 1–2', 'day')).toBe('2 Nov, Days 1–2: 1 person of 4 (25%), not over yet');
	});
	it('draws everybody and the groups, with a gap where nothing is complete', () => {
		expect(curvesOf(answer).map((one) => [one.name, one.size])).toEqual([['Everybody', 4], ['pro', 3]]);
		const option = curves(answer, 'day', light) as Any;
		expect(option.series.map((one: Any) => one.data)).toEqual([[1, null], [1, 0.5]]);
		expect(option.xAxis.data).toEqual(['Day 0', 'Days 1–2']);
	});
});
