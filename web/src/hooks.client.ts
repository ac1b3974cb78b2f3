// Runs once before the first page: takes the token out of a sign-in link.
import { takeEnrolment } from '$lib/session.svelte';

export function init(): void {
	takeEnrolment();
}
