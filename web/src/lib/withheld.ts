// What was withheld, summed up for reading. Pure.
import type { Withheld } from '$lib/api/types';

export interface WithheldGroup {
	because: string;
	values: number;
	recipients: { id: string; values: number }[];
	categories: string[];
}

/** By reason, the most first; each with its recipients and, where known, its categories. */
export function byReason(lines: Withheld[]): WithheldGroup[] {
	const groups = new Map<string, WithheldGroup>();
	for (const { because, recipient, values, category } of lines) {
		const group = groups.get(because) ?? { because, values: 0, recipients: [], categories: [] };
		group.values += values;
		const known = group.recipients.find((one) => one.id === recipient);
		if (known) known.values += values;
		else group.recipients.push({ id: recipient, values });
		if (category && !group.categories.includes(category)) group.categories.push(category);
		groups.set(because, group);
	}
	for (const group of groups.values()) group.recipients.sort((one, other) => other.values - one.values);
	return [...groups.values()].sort((one, other) => other.values - one.values);
}
