// The one way to the admin API: bearer token in, JSON out, errors as values that a page can show.
// Routes, parameters and answers are typed by the API's description (schema.ts).
// Invariant: a 401 always ends the session; nothing but same-origin /api paths is ever asked.
import { reach } from '$lib/reach.svelte';
import { session } from '$lib/session.svelte';
import type { paths } from './schema';

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

export const unreachable = (): ApiError => new ApiError(0, 'unreachable', 'The server cannot be reached. Is cofferdam serve running?');

type Method = 'get' | 'post' | 'put' | 'delete';
type Json<Content> = Content extends { content: { 'application/json': infer Body } } ? Body : never;
interface Operation {
	parameters: object;
	responses: object;
}
/** The routes that know a method. */
type Route<M extends Method> = { [P in keyof paths]: paths[P] extends Record<M, Operation> ? P : never }[keyof paths];
type At<P extends keyof paths, M extends Method> = Extract<paths[P][M], Operation>;
/** What a route answers. */
type Answer<P extends keyof paths, M extends Method> = At<P, M>['responses'] extends { 200: infer Ok } ? Json<Ok> : never;
/** What a route is asked with: the parts of its path, its query, its body. */
type Asked<P extends keyof paths, M extends Method> = Pick<At<P, M>['parameters'], keyof At<P, M>['parameters'] & ('path' | 'query')> &
	(At<P, M> extends { requestBody: infer Body } ? { body: Json<Body> } : object) & { signal?: AbortSignal };
interface Anything {
	path?: object;
	query?: object;
	body?: unknown;
	signal?: AbortSignal;
}

async function call<T>(method: Method, route: string, asked: Anything, token = session.token): Promise<T> {
	const { body, signal } = asked;
	const headers: Record<string, string> = { accept: 'application/json' };
	if (token) headers.authorization = `Bearer ${token}`;
	if (body !== undefined) headers['content-type'] = 'application/json';
	let response: Response;
	try {
		response = await fetch(address(route, asked.path, asked.query), {
			method: method.toUpperCase(),
			headers,
			body: body === undefined ? undefined : JSON.stringify(body),
			signal: signal ?? null,
			cache: 'no-store',
			credentials: 'omit'
		});
	} catch (error) {
		if (error instanceof DOMException && error.name === 'AbortError') throw error;
		reach.missed();
		throw unreachable();
	}
	reach.answered(Date.now());
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

/** A route with the parts of its path filled in and the query parameters that are set. */
export function address(route: string, path: object = {}, query: object = {}): string {
	const parts = new Map(Object.entries(path));
	const filled = route.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(parts.get(name))));
	const search = new URLSearchParams();
	for (const [name, value] of Object.entries(query)) {
		if (value !== null && value !== undefined && value !== '') search.set(name, String(value));
	}
	return search.size === 0 ? filled : `${filled}?${search}`;
}

export const api = {
	/** Asks with a token that is not (yet) the session's. */
	getWith: <P extends Route<'get'>>(token: string, route: P, asked: Asked<P, 'get'>) => call<Answer<P, 'get'>>('get', route, asked, token),
	get: <P extends Route<'get'>>(route: P, asked: Asked<P, 'get'>) => call<Answer<P, 'get'>>('get', route, asked),
	post: <P extends Route<'post'>>(route: P, asked: Asked<P, 'post'>) => call<Answer<P, 'post'>>('post', route, asked),
	put: <P extends Route<'put'>>(route: P, asked: Asked<P, 'put'>) => call<Answer<P, 'put'>>('put', route, asked),
	delete: <P extends Route<'delete'>>(route: P, asked: Asked<P, 'delete'>) => call<Answer<P, 'delete'>>('delete', route, asked)
};
