// A report page's state: the question with its project and range, what the project knows, the answer, and the address.
// Invariant: the answer that is shown is the one to the question in the form, or marked as loading; the address always asks that question.
import { afterNavigate, replaceState } from '$app/navigation';
import { page } from '$app/state';
import { untrack } from 'svelte';
import { address, api } from '$lib/api/client';
import type { Schema } from '$lib/api/types';
import { addDays } from '$lib/format';
import { type Items, fromLink, toLink } from '$lib/link';
import { Resource, polled } from '$lib/resource.svelte';
import { status } from '$lib/status.svelte';

/** What every question has. */
interface Question {
	project: string;
	from: string;
	to: string;
	timezone: string;
}

interface Kind<D, A, R> {
	path: string;
	blank: () => D;
	items: Items;
	/** The events of a question that always has an answer. */
	start: (schema: Schema) => Partial<D>;
	toRequest: (draft: D) => R;
	ask: (body: R, signal: AbortSignal) => Promise<A>;
}

export class Report<D extends Question, A, R> {
	draft: D = $state(undefined as unknown as D);
	readonly schema: Resource<Schema>;
	readonly answer: Resource<A>;
	readonly today = $derived(new Date(status.data?.now ?? Date.now()).toISOString().slice(0, 10));
	readonly zone = $derived(this.draft.timezone || (status.data?.projects.find((one) => one.name === this.draft.project)?.timezone ?? 'the project'));
	readonly projects = $derived(status.data?.projects.map((one) => one.name) ?? []);
	/** The project that the draft's events are of. */
	#of: string;
	#routed = $state(false);

	/** Call it during a component's setup. */
	constructor({ path, blank, items, start, toRequest, ask }: Kind<D, A, R>) {
		const asked = fromLink(blank(), page.url.searchParams, items);
		this.draft = asked ?? blank();
		this.#of = this.draft.project;
		this.schema = new Resource((signal) => api.get('/api/v1/projects/{project}/schema', { path: { project: this.draft.project }, signal }));
		this.answer = new Resource((signal) => ask(JSON.parse(question()) as R, signal));
		const question = () => JSON.stringify(toRequest(this.draft));

		// Only a router that is up can write the address.
		afterNavigate(() => (this.#routed = true));
		// The first project with its last 30 days is a question that always has an answer.
		$effect(() => {
			const first = status.data?.projects[0];
			if (!first || untrack(() => this.draft.project) !== '') return;
			Object.assign(this.draft, { project: first.name, from: addDays(this.today, -29), to: this.today });
		});
		const load = async () => {
			const project = this.draft.project;
			await this.schema.reload();
			if (this.draft.project !== project || this.#of === project || !this.schema.data?.events.length) return;
			Object.assign(this.draft, start(this.schema.data));
			this.#of = project;
		};
		$effect(() => {
			if (this.draft.project !== '') untrack(() => void load());
		});
		// While nothing is stored, the first event is waited for.
		polled(async () => { if (this.schema.data?.events.length === 0) await load(); }, 4_000);
		// Asks again a moment after the last change.
		$effect(() => {
			void question();
			const known = this.schema.data?.events.length;
			const routed = this.#routed;
			if (!known || this.#of !== this.draft.project || this.draft.from === '' || this.draft.to === '') return;
			const timer = setTimeout(() => {
				void this.answer.reload();
				if (routed) replaceState(address(path, {}, { q: toLink(blank(), this.draft) }), {});
			}, 180);
			return () => clearTimeout(timer);
		});
	}
}
