// Forms, states and sensitivities in words; one place, so that every page says the same.
import type { Consent, DeliveryState } from '$lib/api/types';

export type FormKind = 'clear' | 'coarse' | 'token' | 'sealed' | 'withheld';

/** The kind of a form: which of five colours it has everywhere. */
export function formKind(form: string): FormKind {
	if (form === 'clear' || form === 'token' || form === 'sealed' || form === 'withheld') return form;
	return 'coarse';
}

const FORMS: Record<string, string> = {
	clear: 'as sent',
	token: 'only a pseudonym that no other vendor shares',
	country: 'only the country',
	region: 'only the region',
	city: 'only the city',
	family: 'only the family and major version',
	origin: 'only the site, without path',
	path: 'site and path, without query',
	subnet: 'only the network',
	day: 'only the day',
	sealed: "kept under the person's own key, for permitted roles",
	withheld: 'not passed on'
};
export const formWords = (form: string): string => FORMS[form] ?? form;

export type Tone = 'ok' | 'warn' | 'danger' | 'plain';
const STATES: Record<DeliveryState, { label: string; tone: Tone; means: string }> = {
	idle: { label: 'Idle', tone: 'ok', means: 'Everything it may have was delivered.' },
	healthy: { label: 'Healthy', tone: 'ok', means: 'Events are on their way.' },
	backing_off: { label: 'Backing off', tone: 'warn', means: 'The vendor does not answer well; events wait and are retried.' },
	blocked: { label: 'Blocked', tone: 'danger', means: 'The vendor refuses our credentials or requests; someone must look.' },
	contained: { label: 'Contained', tone: 'danger', means: 'The flow is stopped. No event or profile byte leaves for this vendor.' },
	faulty: { label: 'Faulty', tone: 'danger', means: 'Sending stopped on an internal error; the log says what.' },
	stopped: { label: 'Stopped', tone: 'plain', means: 'Its worker does not run.' },
	external: { label: 'External', tone: 'plain', means: 'Its traffic does not pass here.' }
};
export const vendorState = (state: DeliveryState) => STATES[state];

const CONSENT: Record<Consent, string> = {
	opt_out: 'Flows until the person says no',
	opt_in: 'Withheld until the person says yes',
	none: 'Without consent, on another legal basis'
};
export const consentWords = (consent: Consent): string => CONSENT[consent];

/** How bad a category is to lose, as a number to sort by. */
export const sensitivityRank = (name: string): number => ['simple', 'behavioral', 'financial', 'sensitive'].indexOf(name);
