// Which events a question is about: the form's choices, and how they become an event selection of the API. Pure.
import type { EventSelection, Filter, FilterOp, Schema } from '$lib/api/types';

type Kind = Schema['properties'][number]['kind'];

export const OPERATORS: { value: FilterOp; label: string; operand: 'text' | 'number' | 'none'; kinds: Kind[] | null }[] = [
	{ value: 'equals', label: 'is', operand: 'text', kinds: null },
	{ value: 'not_equals', label: 'is not', operand: 'text', kinds: null },
	{ value: 'contains', label: 'contains', operand: 'text', kinds: ['text'] },
	{ value: 'not_contains', label: 'does not contain', operand: 'text', kinds: ['text'] },
	{ value: 'gt', label: 'more than', operand: 'number', kinds: ['integer', 'number'] },
	{ value: 'gte', label: 'at least', operand: 'number', kinds: ['integer', 'number'] },
	{ value: 'lt', label: 'less than', operand: 'number', kinds: ['integer', 'number'] },
	{ value: 'lte', label: 'at most', operand: 'number', kinds: ['integer', 'number'] },
	{ value: 'is_set', label: 'is set', operand: 'none', kinds: null },
	{ value: 'is_not_set', label: 'is not set', operand: 'none', kinds: null },
	{ value: 'is_true', label: 'is true', operand: 'none', kinds: ['boolean'] },
	{ value: 'is_false', label: 'is false', operand: 'none', kinds: ['boolean'] }
];

/** The comparisons that make sense for a property's type; all for an unknown or mixed one. */
export function operatorsFor(property: Schema['properties'][number] | undefined) {
	return OPERATORS.filter(({ kinds }) => kinds === null || !property || property.mixed || kinds.includes(property.kind));
}

export interface FilterDraft {
	property: string;
	op: string;
	value: string;
}
export interface EventDraft {
	event: string;
	filters: FilterDraft[];
	/** A condition in the expression grammar; null while none is wanted. */
	where: string | null;
}

export const eventDraft = (event = ''): EventDraft => ({ event, filters: [], where: null });
export const filterDraft = (property = ''): FilterDraft => ({ property, op: 'equals', value: '' });

/** A filter as the API takes it, or null while it is unfinished. */
export function finished(draft: FilterDraft): Filter | null {
	const operator = OPERATORS.find((one) => one.value === draft.op);
	if (!operator || draft.property === '') return null;
	if (operator.operand === 'none') return { property: draft.property, op: operator.value };
	const text = draft.value.trim();
	if (text === '') return null;
	if (operator.operand === 'number') {
		const number = Number(text);
		return Number.isFinite(number) ? { property: draft.property, op: operator.value, value: number } : null;
	}
	const parts = text.split(',').map((part) => part.trim()).filter(Boolean);
	return { property: draft.property, op: operator.value, value: parts.length > 1 ? parts : text };
}

/** The events as the API takes them; unfinished filters are left out. */
export function selection({ event, filters, where }: EventDraft): EventSelection {
	const condition = where?.trim() ?? '';
	return {
		event,
		filters: filters.map(finished).filter((filter): filter is Filter => filter !== null),
		...(condition === '' ? {} : { where: condition })
	};
}

/** The filter that a place in the request means: unfinished ones are not in it. */
export function filterAt(draft: EventDraft, index: number): FilterDraft | undefined {
	return draft.filters.filter((filter) => finished(filter) !== null)[index];
}

/** An event as a person reads it. */
export const eventName = (event: string): string => (event === '$all' ? 'Any event' : event);

/** A segment's values as a person reads them. */
export const segmentName = (segment: (string | null)[]): string => segment.map((part) => (part === null ? '(not set)' : part === '$other' ? 'Other' : part)).join(' · ');

/** Events that read like the way into a product, in that order; at least two where there are two. */
export function beginnings(events: string[]): string[] {
	const own = events.filter((name) => !name.startsWith('$'));
	const found: string[] = [];
	for (const pattern of [/sign(ed)?[ _-]?up|regist/i, /creat|install/i, /first|activat/i, /upgrad|purchas|paid|order/i]) {
		const next = own.find((name) => pattern.test(name) && !found.includes(name));
		if (next) found.push(next);
	}
	return found.length >= 2 ? found : [...new Set([...found, ...own])].slice(0, 2);
}
