// Errors of the API and the controls that they are about. Pure.
import type { ApiError } from '$lib/api/client';

/** Whether a JSON path is a place or lies in it: `steps[0].event` lies in `steps[0]` and `steps`, not in `step`. */
export const within = (path: string, place: string): boolean => path === place || (path.startsWith(place) && /^[.[]/.test(path.slice(place.length)));

/** The error where it is about one of the places, else null. */
export function faultAt(error: ApiError | null, at: string | string[]): ApiError | null {
	const path = error?.path;
	if (!error || path === null || path === undefined) return null;
	return [at].flat().some((place) => within(path, place)) ? error : null;
}
