// The flows question: choices, and how the form becomes a request. Pure.
// Invariant: what is at its default in the form is what the API takes where nothing is said.
import type { FlowsRequest, Schema } from '$lib/api/types';
import { type FunnelDraft, toWindow } from './funnel';
import { type EventDraft, beginnings, eventDraft, filterDraft, selection } from './selection';

export interface FlowsDraft {
	project: string;
	from: string;
	to: string;
	timezone: string;
	anchor: EventDraft;
	after: number | null;
	before: number | null;
	count: NonNullable<FlowsRequest['count']>;
	window: FunnelDraft['window'];
	collapse_repeats: boolean;
	hide: string[];
	events_max: number | null;
}

export const blank = (): FlowsDraft => ({
	project: '',
	from: '',
	to: '',
	timezone: '',
	anchor: eventDraft(),
	after: 3,
	before: 0,
	count: 'totals',
	window: { length: 7, unit: 'day', since: 'entry' },
	collapse_repeats: true,
	hide: [],
	events_max: 10
});

/** What the lists of the form hold, for links. */
export const items = { filters: filterDraft, hide: String };

export const start = ({ events }: Schema): Partial<FlowsDraft> => ({ anchor: eventDraft(beginnings(events)[0] ?? '$all'), hide: [] });

export function toRequest(draft: FlowsDraft): FlowsRequest {
	const { timezone, anchor, after, before, events_max, window, ...rest } = draft;
	return {
		...rest,
		anchor: selection(anchor),
		after: after ?? 3,
		before: before ?? 0,
		events_max: events_max ?? 10,
		window: toWindow(window),
		...(timezone === '' ? {} : { timezone })
	};
}

const OPTIONS = ['timezone', 'collapse_repeats', 'hide', 'events_max'] as const;
/** Where in the request the rare choices stand. */
export const inside: string[] = [...OPTIONS];

/** How many of the rare choices are not at their default. */
export function changed(draft: FlowsDraft): number {
	const plain = blank();
	return OPTIONS.filter((key) => JSON.stringify(draft[key]) !== JSON.stringify(plain[key])).length;
}
