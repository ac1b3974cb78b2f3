// The retention question: choices, and how the form becomes a request. Pure.
// Invariant: what is at its default in the form is what the API takes where nothing is said.
import type { RetentionRequest, Schema } from '$lib/api/types';
import { type EventDraft, beginnings, eventDraft, filterDraft, selection } from './selection';

export type RetentionUnit = NonNullable<RetentionRequest['unit']>;

export interface RetentionDraft {
	project: string;
	from: string;
	to: string;
	timezone: string;
	born: EventDraft;
	returned: EventDraft;
	unit: RetentionUnit;
	/** Where buckets end, as typed: `1, 3, 7`; empty for the default. */
	brackets: string;
	births: NonNullable<RetentionRequest['births']>;
	counted: NonNullable<RetentionRequest['counted']>;
	alignment: NonNullable<RetentionRequest['alignment']>;
	birth_returns: boolean;
	breakdown: string[];
}

export const blank = (): RetentionDraft => ({
	project: '',
	from: '',
	to: '',
	timezone: '',
	born: eventDraft(),
	returned: eventDraft(),
	unit: 'day',
	brackets: '',
	births: 'first',
	counted: 'on_or_after',
	alignment: 'rolling',
	birth_returns: false,
	breakdown: []
});

/** What the lists of the form hold, for links. */
export const items = { filters: filterDraft, breakdown: String };

export const start = ({ events }: Schema): Partial<RetentionDraft> => ({ born: eventDraft(beginnings(events)[0] ?? '$all'), returned: eventDraft('$all'), breakdown: [] });

/** The ends that were typed, null for none, or undefined where they are not whole numbers. */
export function ends(text: string): number[] | null | undefined {
	const parts = text.split(/[\s,]+/).filter(Boolean);
	if (parts.length === 0) return null;
	const numbers = parts.map(Number);
	return numbers.every((one) => Number.isInteger(one) && one > 0 && one <= 100_000) ? numbers : undefined;
}

/** The buckets that ends make, each with its first and last unit. */
export const bucketsOf = (of: number[]): [number, number][] => of.map((end, at) => [at === 0 ? 0 : (of[at - 1] ?? 0), end - 1]);

/** A bucket as a person reads it: `Day 0`, `Days 1–2`. */
export function bucketName([first, last]: readonly [number, number] | number[], unit: RetentionUnit): string {
	const name = unit.charAt(0).toUpperCase() + unit.slice(1);
	return first === last ? `${name} ${first}` : `${name}s ${first}–${last}`;
}

export function toRequest(draft: RetentionDraft): RetentionRequest {
	const { timezone, brackets, born, returned, ...rest } = draft;
	const own = ends(brackets);
	return {
		...rest,
		born: selection(born),
		returned: selection(returned),
		...(own ? { brackets: own } : {}),
		...(timezone === '' ? {} : { timezone })
	};
}

const OPTIONS = ['timezone', 'brackets', 'births', 'counted', 'alignment', 'birth_returns'] as const;
/** Where in the request the rare choices stand. */
export const inside: string[] = [...OPTIONS];

/** How many of the rare choices are not at their default. */
export function changed(draft: RetentionDraft): number {
	const plain = blank();
	return OPTIONS.filter((key) => draft[key] !== plain[key]).length;
}
