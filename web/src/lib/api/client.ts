// The one way to the admin API: bearer token in, JSON out, errors as values that a page can show.
// Invariant: a 401 always ends the session; nothing but same-origin /api paths is ever asked.
import { session } from '$lib/session.svelte';

/** What the API says is wrong. */
export class ApiError extends Error {
	constructor(
		readonly status: number,
		readonly code: string,
		message: string,
		readonly path: string | null = null,
		readonly allowed: string[] = [],
		readonly suggestions: string[] = []
	) {
		super(message);
		this.name = 'ApiError';
	}
}

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

async function call<T>(method: Method, path: string, body?: unknown, signal?: AbortSignal, token = session.token): Promise<T> {
	const headers: Record<string, string> = { accept: 'application/json' };
	if (token) headers.authorization = `Bearer ${token}`;
	if (body !== undefined) headers['content-type'] = 'application/json';
	let response: Response;
	try {
		response = await fetch(`/api/v1${path}`, {
			method,
			headers,
			body: body === undefined ? undefined : JSON.stringify(body),
			signal: signal ?? null,
			cache: 'no-store',
			credentials: 'omit'
		});
	} catch (error) {
		if (error instanceof DOMException && error.name === 'AbortError') throw error;
		throw new ApiError(0, 'unreachable', 'The server cannot be reached. Is `cofferdam serve` running?');
	}
	const text = await response.text();
	if (response.ok) return (text === '' ? null : JSON.parse(text)) as T;
	const error = toError(response.status, text);
	if (response.status === 401 && token === session.token) session.signOut('The token was refused. Sign in again.');
	throw error;
}

/** An error answer as an error; also where the body is not the API's. */
export function toError(status: number, text: string): ApiError {
	try {
		const { error } = JSON.parse(text) as { error: Partial<ApiError> };
		return new ApiError(
			status,
			error.code ?? 'unknown',
			error.message ?? `the server answered ${status}`,
			error.path ?? null,
			error.allowed ?? [],
			error.suggestions ?? []
		);
	} catch {
		return new ApiError(status, 'unknown', text.slice(0, 300) || `the server answered ${status}`);
	}
}

/** A path with the parameters that are set. */
export function query(path: string, parameters: Record<string, string | number | null | undefined>): string {
	const search = new URLSearchParams();
	for (const [name, value] of Object.entries(parameters)) {
		if (value !== null && value !== undefined && value !== '') search.set(name, String(value));
	}
	const text = search.toString();
	return text === '' ? path : `${path}?${text}`;
}

export const api = {
	/** Asks with a token that is not (yet) the session's. */
	getWith: <T>(token: string, path: string) => call<T>('GET', path, undefined, undefined, token),
	get: <T>(path: string, signal?: AbortSignal) => call<T>('GET', path, undefined, signal),
	post: <T>(path: string, body: unknown = {}, signal?: AbortSignal) => call<T>('POST', path, body, signal),
	put: <T>(path: string, body: unknown) => call<T>('PUT', path, body),
	delete: <T>(path: string, body: unknown) => call<T>('DELETE', path, body)
};
