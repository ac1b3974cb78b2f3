// Runs once before the first page: takes the token out of a sign-in link.
import { takeEnrolment } from '$lib/session.svelte';
import type { HandleClientError } from '@sveltejs/kit';

export function init(): void {
	takeEnrolment();
}

/** A path that is no page has its own page; everything else that breaks goes to the console. */
export const handleError: HandleClientError = ({ error, status, message }) => {
	if (status !== 404) console.error(error);
	return { message };
};
