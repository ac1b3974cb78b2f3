// Finding a category by what people call it. Pure.
import type { Category } from '$lib/api/types';

/** Everyday words for categories whose key does not contain them. */
const ALIASES: Record<string, string> = {
	'user.contact.email': 'e-mail mail',
	'user.contact.phone_number': 'telephone mobile',
	'user.behavior': 'plan feature product usage event click',
	'user.behavior.browsing_history': 'url page path',
	'user.unique_id': 'user id uid',
	'user.unique_id.pseudonymous': 'session anonymous id',
	'user.contact.organization.id': 'company account tenant workspace',
	'user.contact.organization': 'company account',
	'user.content': 'text message comment prompt',
	'user.location': 'country city geo',
	'system.operations': 'version library latency status technical',
	secret: 'token key password credential'
};

/** Categories that match all words; those whose key starts with or contains the text come first. */
export function search(categories: Category[], text: string): Category[] {
	const words = text.toLowerCase().split(/\s+/).filter(Boolean);
	const score = ({ key }: Category): number => {
		const aliases = ALIASES[key] ?? '';
		if (!words.every((word) => key.includes(word) || aliases.includes(word))) return -1;
		return words.every((word) => key.includes(word)) ? 1 : 0;
	};
	return categories
		.map((category) => ({ category, score: score(category) }))
		.filter((one) => one.score >= 0)
		.sort((one, other) => other.score - one.score || one.category.key.localeCompare(other.category.key))
		.map((one) => one.category);
}
