// The funnel question: choices, and how the form becomes a request. Pure.
// Invariant: what is at its default in the form is what the API takes where nothing is said.
import type { FunnelRequest, FunnelWindow, Schema, Unit } from '$lib/api/types';
import { type EventDraft, beginnings, eventDraft, eventName, filterDraft, selection } from './selection';

export interface StepDraft extends EventDraft {
	optional: boolean;
	label: string;
}
export interface ExclusionDraft extends EventDraft {
	/** Numbers of steps; 0 for the first and the last. */
	after: number;
	before: number;
}
/** A number field may be empty; then the API's default holds. */
type Maybe = number | null;

export interface FunnelDraft {
	project: string;
	from: string;
	to: string;
	timezone: string;
	steps: StepDraft[];
	window: { length: Maybe; unit: FunnelWindow['unit']; since: NonNullable<FunnelWindow['since']> };
	order: NonNullable<FunnelRequest['order']>;
	count: NonNullable<FunnelRequest['count']>;
	entry: NonNullable<FunnelRequest['entry']>;
	strict_among: NonNullable<FunnelRequest['strict_among']>;
	grace_ms: Maybe;
	exclusions: ExclusionDraft[];
	excluded: NonNullable<FunnelRequest['excluded']>;
	hold_constant: string[];
	breakdown: string[];
	/** `first`, `last`, or the number of a step. */
	attribution: string;
	trend: Unit | '';
	session_gap_minutes: Maybe;
}

export const blank = (): FunnelDraft => ({
	project: '',
	from: '',
	to: '',
	timezone: '',
	steps: [],
	window: { length: 7, unit: 'day', since: 'entry' },
	order: 'loose',
	count: 'uniques',
	entry: 'first',
	strict_among: 'all_events',
	grace_ms: 0,
	exclusions: [],
	excluded: 'dropped',
	hold_constant: [],
	breakdown: [],
	attribution: 'first',
	trend: '',
	session_gap_minutes: 30
});

export const stepDraft = (event = ''): StepDraft => ({ ...eventDraft(event), optional: false, label: '' });
export const exclusionDraft = (event = ''): ExclusionDraft => ({ ...eventDraft(event), after: 0, before: 0 });

/** What the lists of the form hold, for links. */
export const items = { steps: stepDraft, exclusions: exclusionDraft, filters: filterDraft, hold_constant: String, breakdown: String };

export const start = ({ events }: Schema): Partial<FunnelDraft> => {
	const found = beginnings(events);
	const steps = (found.length >= 2 ? found : [found[0] ?? '$all', '$all']).map(stepDraft);
	return { steps, exclusions: [], hold_constant: [], breakdown: [], attribution: 'first' };
};

/** A window as the API takes it; an empty length means the default. */
export const toWindow = ({ length, unit, since }: FunnelDraft['window']): FunnelWindow => ({ length: length ?? 7, unit, since });

export function toRequest(draft: FunnelDraft): FunnelRequest {
	const { timezone, window, attribution, trend, steps, exclusions, grace_ms, session_gap_minutes, ...rest } = draft;
	const step = Number(attribution);
	return {
		...rest,
		steps: steps.map((one) => ({ ...selection(one), optional: one.optional, ...(one.label.trim() === '' ? {} : { label: one.label.trim() }) })),
		exclusions: exclusions.map((one) => ({ ...selection(one), ...(one.after > 0 ? { after: one.after } : {}), ...(one.before > 0 ? { before: one.before } : {}) })),
		window: toWindow(window),
		grace_ms: grace_ms ?? 0,
		session_gap_minutes: session_gap_minutes ?? 30,
		attribution: attribution === 'last' ? 'last' : step >= 1 ? { step } : 'first',
		...(trend === '' ? {} : { trend }),
		...(timezone.trim() === '' ? {} : { timezone: timezone.trim() })
	};
}

const OPTIONS = ['timezone', 'order', 'entry', 'strict_among', 'grace_ms', 'exclusions', 'excluded', 'hold_constant', 'attribution', 'trend', 'session_gap_minutes'] as const;
/** Where in the request the rare choices stand. */
export const inside: string[] = [...OPTIONS, 'window.since'];

/** How many of the rare choices are not at their default. */
export function changed(draft: FunnelDraft): number {
	const plain = blank();
	const differs = OPTIONS.filter((key) => JSON.stringify(draft[key]) !== JSON.stringify(plain[key])).length;
	return differs + (draft.window.since === plain.window.since ? 0 : 1);
}

/** What a step is called: its label, or its event. */
export const stepName = (step: StepDraft | undefined): string => (step ? step.label.trim() || eventName(step.event) : '');

/** A list with one element moved, as a drag or an arrow key moves it. */
export function moved<T>(list: T[], from: number, to: number): T[] {
	const one = list[from];
	if (one === undefined || to < 0 || to >= list.length) return list;
	return list.toSpliced(from, 1).toSpliced(to, 0, one);
}

/** The noun of what is counted. */
export const noun = (count: FunnelDraft['count'], many: number): string => {
	const [one, more] = { uniques: ['person', 'people'], totals: ['attempt', 'attempts'], sessions: ['session', 'sessions'] }[count];
	return (many === 1 ? one : more) ?? '';
};
