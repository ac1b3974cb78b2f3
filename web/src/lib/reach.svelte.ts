// Whether the server answers, told by every request of every page.
// Invariant: any answer, also an error, ends the misses; a request that the page itself gave up is none.

/** So many misses in a row, and what is shown may no longer be true. */
const MISSES_MAX = 2;

export class Reach {
	#misses = $state(0);
	/** When the server answered last (ms since 1970), or 0. */
	at = $state(0);

	answered(now: number): void {
		this.#misses = 0;
		this.at = now;
	}
	missed(): void {
		this.#misses += 1;
	}
	get lost(): boolean {
		return this.#misses >= MISSES_MAX;
	}
}

export const reach = new Reach();
