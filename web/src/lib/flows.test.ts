// Flows: the form's request and what is drawn of the answer.
import { describe, expect, it } from 'vitest';
import type { Flows } from './api/types';
import { flows, flowsHeight, stepsOf } from './charts/flows';
import { light } from './charts/palette';
import { blank, changed, items, toRequest } from './flows';
import { fromLink, toLink } from './link';
import { eventDraft } from './selection';

type Any = Record<string, any>;
const answer: Flows = {
	paths: 10,
	steps: [{ offset: -1, events: [{ event: 'A', count: 4 }] }, { offset: 0, events: [{ event: 'B', count: 10 }] }, { offset: 1, events: [{ event: 'A', count: 7 }] }],
	links: [
		{ offset: -1, from: 'A', to: 'B', count: 4 },
		{ offset: -1, from: '$start', to: 'B', count: 6 },
		{ offset: 0, from: 'B', to: 'A', count: 7 },
		{ offset: 0, from: 'B', to: '$end', count: 3 }
	],
	top: [],
	snapshot: '1.0'
};

describe('flows question', () => {
	const draft = { ...blank(), project: 'p', from: 'a', to: 'b', anchor: eventDraft('A') };
	it('takes an empty number field for the default', () => {
		const plain = toRequest(draft);
		expect([plain.after, plain.before, plain.events_max, plain.collapse_repeats, plain.count]).toEqual([3, 0, 10, true, 'totals']);
		expect(toRequest({ ...draft, after: null, before: null, events_max: null })).toEqual(plain);
		expect([changed(draft), changed({ ...draft, hide: ['X'], collapse_repeats: false })]).toEqual([0, 2]);
	});
	it('comes back from a link', () => {
		const full = { ...draft, before: 2, after: null, hide: ['X', 'Y'], collapse_repeats: false };
		expect(fromLink(blank(), new URLSearchParams({ q: toLink(blank(), full) }), items)).toEqual({ ...full, after: 3 });
	});
});

describe('flows answer', () => {
	it('tells in each step who had not begun or has ended', () => {
		expect(stepsOf(answer).map((step) => step.events.map((one) => [one.event, one.count, one.share]))).toEqual([
			[['A', 4, 0.4], ['$start', 6, 0.6]],
			[['B', 10, 1]],
			[['A', 7, 0.7], ['$end', 3, 0.3]]
		]);
	});
	it('has a node for each event and offset, in its column, and mutes begin and end', () => {
		const series = (flows(answer, 'B', light) as Any).series[0];
		expect(series.data.map((node: Any) => [node.name, node.depth])).toEqual([['-1:A', 0], ['0:B', 1], ['-1:$start', 0], ['1:A', 2], ['1:$end', 2]]);
		const color = (name: string) => series.data.find((node: Any) => node.name === name).itemStyle.color;
		expect([color('0:B'), color('1:$end')]).toEqual([light.accent, light.muted]);
		expect(color('-1:A')).toBe(color('1:A'));
		expect(series.links.map((link: Any) => link.value)).toEqual([4, 6, 7, 3]);
	});
	it('names nodes in words and escapes them', () => {
		const tip = (flows({ ...answer, links: [{ offset: 0, from: '<b>', to: '$end', count: 1 }] }, 'x', light) as Any).tooltip.formatter;
		expect(tip({ dataType: 'edge', data: { source: '0:<b>', target: '1:$end', value: 1 } })).toBe('&#60;b&#62; → Ends here<br><b>1</b> path, 10%');
		expect(tip({ dataType: 'node', name: '0:a:b', value: 2 })).toBe('a:b<br><b>2</b> paths, 20%');
	});
	it('grows with the fullest step', () => {
		const many = { ...answer, steps: [{ offset: 0, events: Array.from({ length: 20 }, (_, at) => ({ event: `E${at}`, count: 1 })) }] };
		expect(flowsHeight(many)).toBeGreaterThan(flowsHeight(answer));
	});
});
