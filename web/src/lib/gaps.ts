// The days of a window: whether it runs forward, and what the ledger cannot know of it. Pure.
import type { Radius } from '$lib/api/types';
import { addDays } from '$lib/format';

/** Both days are set and the last lies before the first. */
export const backwards = (since: string, until: string): boolean => since !== '' && until !== '' && until < since;

type Gap = Radius['gaps'][number];

export interface BasisGap extends Gap {
	basis: 'both' | 'sent' | 'held';
}

/** Gaps of one reason that overlap or touch, as one. */
function joined(gaps: Gap[]): Gap[] {
	const all: Gap[] = [];
	for (const gap of gaps.toSorted((one, other) => one.reason.localeCompare(other.reason) || one.since.localeCompare(other.since))) {
		const last = all.at(-1);
		if (last && last.reason === gap.reason && gap.since <= addDays(last.until, 1)) {
			if (gap.until > last.until) last.until = gap.until;
		} else all.push({ ...gap });
	}
	return all;
}

/** Every gap once, the earliest first, with the basis that it concerns; `sent` looks at the window, `held` at all before its end. */
export function gapsOf(sent: Gap[], held: Gap[]): BasisGap[] {
	const key = (gap: Gap) => gap.since + gap.until + gap.reason;
	const [one, other] = [joined(sent), joined(held)];
	const both = new Set(one.map(key).filter((name) => other.some((gap) => key(gap) === name)));
	return [
		...one.map((gap): BasisGap => ({ ...gap, basis: both.has(key(gap)) ? 'both' : 'sent' })),
		...other.filter((gap) => !both.has(key(gap))).map((gap): BasisGap => ({ ...gap, basis: 'held' }))
	].sort((left, right) => left.since.localeCompare(right.since) || left.basis.localeCompare(right.basis));
}
