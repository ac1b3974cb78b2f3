// Funnels: the form's request and what is drawn of the answer.
import { describe, expect, it } from 'vitest';
import type { Funnel } from './api/types';
import { conversions, dropped, funnelTrend, groups, histogram, rows } from './charts/funnel';
import { light } from './charts/palette';
import { lasting } from './format';
import { blank, changed, exclusionDraft, items, moved, noun, start, stepDraft, toRequest } from './funnel';
import { fromLink, toLink } from './link';

type Any = Record<string, any>;
const counts = (count: number, of: number) => ({ count, conversion: of === 0 ? null : count / of, step_conversion: null });
const answer: Funnel = {
	steps: [counts(10, 10), counts(4, 10), counts(5, 10)],
	excluded: 0,
	histogram: [{ from_s: 0, to_s: 60, count: 5 }],
	segments: [{ segment: ['pro', null], steps: [counts(6, 6), counts(3, 6), counts(3, 6)] }, { segment: ['$other'], steps: [counts(4, 4), counts(1, 4), counts(2, 4)] }],
	incomplete: false,
	snapshot: '1.0'
};

describe('funnel question', () => {
	const draft = { ...blank(), project: 'p', from: 'a', to: 'b', steps: [stepDraft('A'), { ...stepDraft('B'), optional: true, label: ' Bee ' }] };
	it('says nothing that the API has as its default', () => {
		const plain = toRequest(draft);
		expect(plain.steps).toEqual([{ event: 'A', filters: [], optional: false }, { event: 'B', filters: [], optional: true, label: 'Bee' }]);
		expect([plain.window, plain.attribution, plain.grace_ms, plain.session_gap_minutes]).toEqual([{ length: 7, unit: 'day', since: 'entry' }, 'first', 0, 30]);
		expect(['trend', 'timezone'].some((key) => key in plain)).toBe(false);
		expect(changed(draft)).toBe(0);
	});
	it('takes an empty number field for the default', () => {
		const empty = { ...draft, window: { ...draft.window, length: null }, grace_ms: null, session_gap_minutes: null };
		expect(toRequest(empty)).toEqual(toRequest(draft));
	});
	it('carries every choice, in the request and in a link', () => {
		const full = { ...draft, window: { length: 2, unit: 'hour' as const, since: 'step' as const }, order: 'strict' as const, trend: 'week' as const, timezone: ' UTC ', attribution: '2', exclusions: [{ ...exclusionDraft('C'), before: 2 }] };
		const request = toRequest(full);
		expect([request.trend, request.timezone, request.attribution]).toEqual(['week', 'UTC', { step: 2 }]);
		expect(request.exclusions).toEqual([{ event: 'C', filters: [], before: 2 }]);
		expect(changed(full)).toBe(6);
		expect(fromLink(blank(), new URLSearchParams({ q: toLink(blank(), full) }), items)).toEqual(full);
	});
	it('has two steps from the start, also where only one event is known', () => {
		expect(start({ events: ['Only'], properties: [], rows: 1, days: null }).steps?.map((one) => one.event)).toEqual(['Only', '$all']);
	});
	it('moves a step, and not past the ends', () => {
		expect([moved(['a', 'b', 'c'], 0, 2), moved(['a', 'b', 'c'], 2, 1), moved(['a'], 0, 1)]).toEqual([['b', 'c', 'a'], ['a', 'c', 'b'], ['a']]);
	});
	it('names what is counted', () => expect([noun('uniques', 1), noun('uniques', 2), noun('sessions', 1)]).toEqual(['person', 'people', 'session']));
});

describe('funnel answer', () => {
	it('draws everybody, or the segments', () => {
		expect(groups({ ...answer, segments: [] }).map((one) => one.name)).toEqual(['Everybody']);
		expect(groups(answer).map((one) => one.name)).toEqual(['pro · (not set)', 'Other']);
	});
	it('loses nobody at a step after an optional one', () => {
		expect([0, 1, 2].map((at) => dropped(answer.steps, at))).toEqual([0, 6, 0]);
	});
	it('has every step of everybody and of every segment in the table', () => {
		const all = rows(answer, ['A', 'B', 'C']);
		expect(all).toHaveLength(9);
		expect([all[0]?.group, all[4]?.group, all[4]?.step, all[4]?.dropped]).toEqual(['Everybody', 'pro · (not set)', '2 B', 3]);
	});
	it('draws no conversion where nobody entered, and dashes what is not over', () => {
		const trend = { buckets: ['2026-11-01', '2026-11-02'], incomplete: [false, true], steps: [[4, 0], [1, 0]] };
		expect(conversions(trend)).toEqual([[0.25, null]]);
		const option = funnelTrend(trend, ['A', 'B'], 'day', light) as Any;
		expect(option.series.map((one: Any) => one.lineStyle.type)).toEqual([undefined, [4, 4]]);
		expect(option.tooltip.formatter([{ dataIndex: 1 }])).toContain('2 B <b>–</b>');
	});
	it('says a bin with its bounds', () => {
		const option = histogram(answer.histogram, light, () => 'people') as Any;
		expect(option.tooltip.formatter([{ dataIndex: 0 }])).toBe('0 s to 1 min<br><b>5</b> people');
		expect([lasting(9.94), lasting(59.6), lasting(3_725), lasting(90_000), lasting(172_800)]).toEqual(['9.9 s', '1 min', '1 h 2 min', '1 d 1 h', '2 d']);
	});
});
