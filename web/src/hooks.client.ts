// Runs once before the first page: takes the token out of a sign-in link.
import { takeEnrolment } from '$lib/session.svelte';
import type { HandleClientError } from '@sveltejs/kit';

export function init(): void {
	takeEnrolment();
}

/** A path that is no page has its own page, a server that is away its own words; everything else that breaks goes to the console. */
export const handleError: HandleClientError = ({ error, status, message }) => {
	if (status === 404) return { message };
	// What browsers say when a page's code does not come.
	if (error instanceof TypeError && /dynamically imported module|module script failed|failed to fetch/i.test(error.message)) return { message: 'unreachable' };
	console.error(error);
	return { message };
};
