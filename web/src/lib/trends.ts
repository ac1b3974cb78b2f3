// The Trends question: choices, and how the form becomes a request. Pure.
import type { Filter, FilterOp, Schema, SegmentationRequest, Unit } from '$lib/api/types';

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
}

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

export interface Draft {
	project: string;
	events: EventDraft[];
	measure: 'total' | 'unique';
	breakdown: string;
	unit: Unit;
	from: string;
	to: string;
}

export function toRequest(draft: Draft): SegmentationRequest {
	return {
		project: draft.project,
		events: draft.events.map(({ event, filters }) => ({
			event,
			filters: filters.map(finished).filter((filter): filter is Filter => filter !== null)
		})),
		measure: draft.measure,
		breakdown: draft.breakdown === '' ? [] : [draft.breakdown],
		unit: draft.unit,
		from: draft.from,
		to: draft.to
	};
}
