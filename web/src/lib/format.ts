// Numbers, days and durations as people read them; all through Intl.

const whole = new Intl.NumberFormat('en');
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
const dayLong = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric', timeZone: 'UTC' });
const dayShort = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' });
const month = new Intl.DateTimeFormat('en-GB', { month: 'short', year: 'numeric', timeZone: 'UTC' });
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const clockShort = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const moment = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });

export const count = (value: number): string => whole.format(value);
export const compact = (value: number): string => (Math.abs(value) < 10_000 ? whole.format(value) : short.format(value));

/** A number with its noun: `1 event`, `2 events`. */
export const counted = (value: number, one: string, many = `${one}s`): string => `${whole.format(value)} ${value === 1 ? one : many}`;

/** A group's size; null is a group too small to be shown. */
export const people = (value: number | null): string => (value === null ? 'under 10' : whole.format(value));

/** Who sent a field; what stands on a group's profile, or in its id, nobody sent about themselves. */
export const senders = (field: { path: string; people: number | null }): string =>
	field.people === null && /^group(_id$|\.)/.test(field.path) ? 'organizations' : people(field.people);

function utc(day: string): Date {
	return new Date(`${day.slice(0, 10)}T00:00:00Z`);
}
export const day = (value: string | null | undefined): string => (value ? dayLong.format(utc(value)) : '–');
export const shortDay = (value: string): string => dayShort.format(utc(value));
export const monthOf = (value: string): string => month.format(utc(value));
export const time = (ms: number): string => clock.format(new Date(ms));
export const minute = (ms: number): string => clockShort.format(new Date(ms));
export const dateTime = (ms: number): string => moment.format(new Date(ms));

/** How long ago, in the largest unit that fits. */
export function ago(ms: number, now: number): string {
	const seconds = Math.round((ms - now) / 1000);
	const units: [Intl.RelativeTimeFormatUnit, number][] = [
		['day', 86_400],
		['hour', 3_600],
		['minute', 60]
	];
	for (const [unit, length] of units) {
		if (Math.abs(seconds) >= length) return relative.format(Math.round(seconds / length), unit);
	}
	return relative.format(seconds, 'second');
}

/** Microseconds as µs, ms or s. */
export function elapsed(us: number): string {
	if (us < 1_000) return `${us} µs`;
	if (us < 1_000_000) return `${(us / 1_000).toLocaleString('en', { maximumFractionDigits: 1 })} ms`;
	return `${(us / 1_000_000).toLocaleString('en', { maximumFractionDigits: 2 })} s`;
}

/** Seconds as a person says them, in the two largest units: `45 s`, `3 min 20 s`, `2 h 5 min`, `1 d 3 h`. */
export function lasting(seconds: number): string {
	if (seconds < 10) return `${seconds.toLocaleString('en', { maximumFractionDigits: 1 })} s`;
	const whole = Math.round(seconds);
	const units: [number, string][] = [[86_400, 'd'], [3_600, 'h'], [60, 'min'], [1, 's']];
	const at = units.findIndex(([length]) => whole >= length);
	const [length, name] = units[at] ?? [1, 's'];
	const [smaller, small] = units[at + 1] ?? [0, ''];
	const rest = smaller === 0 ? 0 : Math.floor((whole % length) / smaller);
	return rest === 0 ? `${Math.floor(whole / length)} ${name}` : `${Math.floor(whole / length)} ${name} ${rest} ${small}`;
}

export function bytes(value: number): string {
	const units = ['B', 'kB', 'MB', 'GB', 'TB'];
	let size = value;
	let unit = 0;
	while (size >= 1000 && unit < units.length - 1) {
		size /= 1000;
		unit += 1;
	}
	return `${size.toLocaleString('en', { maximumFractionDigits: unit === 0 ? 0 : 1 })} ${units[unit]}`;
}

/** The day that lies a number of days after (or, negative, before) another. */
export function addDays(value: string, days: number): string {
	const date = utc(value);
	date.setUTCDate(date.getUTCDate() + days);
	return date.toISOString().slice(0, 10);
}

/** A span of days; one that starts before all records reads "until …". */
export function span(since: string, until: string): string {
	if (since.startsWith('0000') || since < '1971') return `until ${day(until)}`;
	return since === until ? day(since) : `${day(since)} – ${day(until)}`;
}

export function words(code: string): string {
	return code.replaceAll('_', ' ');
}

/** A value of an event as one line of text. */
export function value(of: unknown): string {
	if (of === null || of === undefined) return '';
	if (typeof of === 'string') return of;
	return JSON.stringify(of);
}
