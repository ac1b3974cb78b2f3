// Something loaded from the API: its value, its error, and a way to load it again.
// Invariant: only the newest load writes; an error never throws away the value that is shown.
import { ApiError } from '$lib/api/client';

export class Resource<T> {
	data = $state.raw<T | undefined>(undefined);
	error = $state.raw<ApiError | null>(null);
	loading = $state(false);
	/** When the shown value arrived (ms since 1970), or 0. */
	at = $state(0);
	#load: (signal: AbortSignal) => Promise<T>;
	#current: AbortController | null = null;

	constructor(load: (signal: AbortSignal) => Promise<T>) {
		this.#load = load;
	}

	async reload(): Promise<void> {
		this.#current?.abort();
		const mine = new AbortController();
		this.#current = mine;
		this.loading = true;
		try {
			const data = await this.#load(mine.signal);
			if (mine.signal.aborted) return;
			this.data = data;
			this.error = null;
			this.at = Date.now();
		} catch (error) {
			if (mine.signal.aborted) return;
			this.error = asApiError(error);
		} finally {
			if (this.#current === mine) this.loading = false;
		}
	}
}

export function asApiError(error: unknown): ApiError {
	if (error instanceof ApiError) return error;
	return new ApiError(0, 'unexpected', error instanceof Error ? error.message : String(error));
}

/** Loads now and then every so often while the tab is visible; stops with the component. Call it during its setup. */
export function polled(load: () => Promise<void>, everyMs: number, paused: () => boolean = () => false): void {
	$effect(() => {
		let stopped = false;
		let timer: ReturnType<typeof setTimeout>;
		const turn = async (first: boolean) => {
			if (first || (!document.hidden && !paused())) await load();
			if (!stopped) timer = setTimeout(() => void turn(false), everyMs);
		};
		void turn(true);
		return () => {
			stopped = true;
			clearTimeout(timer);
		};
	});
}
