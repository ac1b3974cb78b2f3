// The pure helpers beside the charts.
import { describe, expect, it } from 'vitest';
import { address, toError } from './api/client';
import type { Field, Leaf, LiveEvent, Radius, Vendor, Withheld } from './api/types';
import { search } from './categories';
import { lastContained } from './contained';
import { addDays, ago, bytes, counted, elapsed, people, senders, span } from './format';
import { faultAt, within } from './faults';
import { formKind } from './forms';
import { backwards, gapsOf } from './gaps';
import { fromLink, toLink } from './link';
import { merge, rows } from './live';
import { pickable } from './pickable';
import { Reach } from './reach.svelte';
import { getting, newlyClear } from './recipients';
import { beginnings, eventDraft, filterAt, filterDraft, finished, operatorsFor, selection } from './selection';
import { tokenOf } from './session.svelte';
import { snippets } from './snippets';
import { blank, toRequest } from './trends';
import { families, verdict } from './verdict';
import { byReason } from './withheld';

describe('format', () => {
	it('says spans, durations, sizes and small groups as people do', () => {
		expect(addDays('2026-03-01', -1)).toBe('2026-02-28');
		expect(span('0000-01-01', '2026-10-22')).toBe('until 22 Oct 2026');
		expect(span('2026-10-22', '2026-10-22')).toBe('22 Oct 2026');
		expect([elapsed(900), elapsed(4866), elapsed(2_500_000)]).toEqual(['900 µs', '4.9 ms', '2.5 s']);
		expect([bytes(999), bytes(1500)]).toEqual(['999 B', '1.5 kB']);
		expect([people(null), people(1234)]).toEqual(['under 10', '1,234']);
		expect(['group.size', 'group_id', 'properties.grouped'].map((path) => senders({ path, people: null }))).toEqual(['organizations', 'organizations', 'under 10']);
		expect(senders({ path: 'group.size', people: 12 })).toBe('12');
		expect([counted(1, 'event'), counted(1234, 'event'), counted(0, 'category', 'categories')]).toEqual(['1 event', '1,234 events', '0 categories']);
		expect(ago(0, 7_200_000)).toBe('2 hours ago');
	});
});

describe('pickable', () => {
	it('offers vendors in force, then removed ones, marked; none twice', () => {
		const past = [{ id: 'b', name: 'Beta', last_day: '2026-06-01' }, { id: 'c', name: 'Gamma', last_day: null }];
		expect(pickable([{ id: 'a', name: 'Alpha' }, { id: 'b', name: 'Beta' }], past)).toEqual([
			{ id: 'a', label: 'Alpha' },
			{ id: 'b', label: 'Beta' },
			{ id: 'c', label: 'Gamma (removed)' }
		]);
	});
});

describe('gaps', () => {
	const gap = (since: string, until: string, reason = 'future') => ({ since, until, reason });
	it('joins what overlaps or touches on a basis, and names the basis where the other differs', () => {
		expect(gapsOf([gap('2027-01-20', '2027-02-01')], [gap('2026-11-23', '2027-01-25'), gap('2027-01-26', '2027-02-01')])).toEqual([
			{ ...gap('2026-11-23', '2027-02-01'), basis: 'held' },
			{ ...gap('2027-01-20', '2027-02-01'), basis: 'sent' }
		]);
		expect(gapsOf([gap('0000-01-01', '2026-10-22')], [gap('0000-01-01', '2026-10-22')])).toEqual([{ ...gap('0000-01-01', '2026-10-22'), basis: 'both' }]);
		expect(gapsOf([gap('2026-01-01', '2026-01-02'), gap('2026-01-02', '2026-01-03', 'other')], [])).toHaveLength(2);
	});
	it('knows a window that runs backwards', () => {
		expect([backwards('2026-01-02', '2026-01-01'), backwards('2026-01-01', '2026-01-01'), backwards('2026-01-02', '')]).toEqual([true, false, false]);
	});
});

describe('recipients', () => {
	const vendor = (id: string, receives: Record<string, string>, state = 'idle', projects = ['p']) =>
		({ id, kind: 'mixpanel', projects, delivery: { state }, receives: Object.entries(receives).map(([category, form]) => ({ category, form, words: '' })) }) as unknown as Vendor;
	const vendors = [
		vendor('a', { 'user.behavior': 'clear', 'user.behavior.browsing_history': 'withheld' }),
		vendor('b', { user: 'token', 'user.behavior': 'clear' }, 'contained'),
		vendor('other', { user: 'clear' }, 'idle', ['q'])
	];
	const field = (got: Record<string, string | null>) => ({ project: 'p', path: 'properties.x', vendors: Object.entries(got).map(([id, form]) => ({ id, form })) }) as unknown as Field;
	it('takes the longest line of a table, of the vendors of the project', () => {
		const ids = (category: string) => getting(field({}), category, vendors).map(({ id, form, contained }) => [id, form, contained]);
		expect(ids('user.behavior.purchase_history')).toEqual([['a', 'clear', false], ['b', 'clear', true]]);
		expect(ids('user.behavior.browsing_history')).toEqual([['b', 'clear', true]]);
		expect(ids('user.behaviors')).toEqual([['b', 'token', true]]);
		expect(ids('secret')).toEqual([]);
	});
	it('asks about those who do not get it as sent today, contained or not', () => {
		const ids = (got: Record<string, string | null>, category: string) => newlyClear(field(got), category, vendors).map(({ id }) => id);
		expect(ids({ a: null, b: 'token' }, 'user.behavior')).toEqual(['a', 'b']);
		expect(ids({ a: 'clear', b: null }, 'user.behavior')).toEqual(['b']);
		expect(ids({ a: null, b: null }, 'user.name')).toEqual([]);
	});
});

describe('contained', () => {
	const leaf = (seq: number, action: string, resource: string, decision = 'permitted') => ({ seq, action, resource, decision, actor: 'admin', time: seq * 10 }) as unknown as Leaf;
	it('is known by the last act of this vendor that was let through', () => {
		const leaves = [leaf(1, 'vendor.contain', 'vendor/a'), leaf(2, 'vendor.contain', 'vendor/b'), leaf(3, 'vendor.contain', 'vendor/a', 'denied')];
		expect(lastContained(leaves, 'a')).toEqual({ at: 10, by: 'someone with the admin token' });
		expect(lastContained(leaves, 'c')).toBeNull();
	});
});

describe('reach', () => {
	it('is lost after two misses in a row, and back with any answer', () => {
		const reach = new Reach();
		reach.answered(7);
		reach.missed();
		expect(reach.lost).toBe(false);
		reach.missed();
		expect([reach.lost, reach.at]).toEqual([true, 7]);
		reach.answered(9);
		expect([reach.lost, reach.at]).toEqual([false, 9]);
	});
});

describe('api', () => {
	it('keeps code, path and suggestions of an error, and survives what is no API error', () => {
		const error = toError(422, '{"error":{"code":"invalid_request","message":"no event","path":"events[0].event","suggestions":["API Call"]}}');
		expect([error.code, error.message, error.path, error.suggestions]).toEqual(['invalid_request', 'no event', 'events[0].event', ['API Call']]);
		expect(toError(502, '<html>').message).toBe('<html>');
		expect(toError(502, '').message).toBe('the server answered 502');
	});
	it('fills in a route and leaves out what is not set', () => {
		expect(address('/x/{id}/y', { id: 'a/b' }, { a: 'ä&', b: '', c: null, d: 0 })).toBe('/x/a%2Fb/y?a=%C3%A4%26&d=0');
		expect(address('/x')).toBe('/x');
	});
	it('takes a token only from a sign-in fragment', () => {
		expect(tokenOf('#enroll=abc')).toBe('abc');
		expect(tokenOf('#enroll=')).toBeNull();
		expect(tokenOf('#content')).toBeNull();
	});
});

describe('live', () => {
	const event = (seq: number): LiveEvent => ({
		seq, received: 0, time: 0, project: 'p', event: 'E', person: 1, organization: null, provenance: 'claimed', refused: null,
		fields: [{ path: 'properties.email', category: 'user.contact.email', rule: 'key.email', form: 'sealed', value: null, withheld: null }],
		vendors: [
			{ id: 'a', given: [{ path: 'event', form: 'clear' }], withheld: [{ path: 'properties.email', reason: 'not_listed', because: 'y' }], refused: null },
			{ id: 'b', given: [], withheld: [], refused: { reason: 'contained', because: 'x' } }
		]
	});
	it('is newest first, without doubles, bounded', () => {
		expect(merge([event(3), event(2)], [event(2), event(1)], 2).map((one) => one.seq)).toEqual([3, 2]);
	});
	it('lists every field once, with what each vendor got, or why it got nothing of it', () => {
		const nothing = { form: null, withheld: null };
		expect(rows(event(1)).map((row) => [row.path, row.home.form, row.vendors])).toEqual([
			['event', 'clear', [{ form: 'clear', withheld: null }, nothing]],
			['properties.email', 'sealed', [{ form: null, withheld: { reason: 'not_listed', because: 'y' } }, nothing]]
		]);
	});
});

describe('verdict', () => {
	const radius = (exposed: string[], not_exposed: string[], unknown: string[]) =>
		({ categories: exposed.map((category) => ({ category, sensitivity: 'simple', people: 1 })), not_exposed, unknown }) as unknown as Radius;
	it('promises nothing that one basis does not', () => {
		const found = verdict(radius(['a'], ['b', 'c'], []), radius(['b'], [], ['c', 'a']));
		expect(found).toEqual({ exposed: ['a', 'b'], notExposed: [], unknown: ['c'] });
	});
	it('gathers families', () => expect(families(['user.a', 'user.a.b', 'secret'])).toEqual([{ name: 'user.a', members: ['user.a', 'user.a.b'] }, { name: 'secret', members: ['secret'] }]));
});

describe('trends', () => {
	it('leaves out unfinished filters and types the rest', () => {
		expect(finished({ property: 'plan', op: 'equals', value: ' ' })).toBeNull();
		expect(finished({ property: 'plan', op: 'equals', value: 'free, pro' })).toEqual({ property: 'plan', op: 'equals', value: ['free', 'pro'] });
		expect(finished({ property: 'status', op: 'gte', value: '400' })).toEqual({ property: 'status', op: 'gte', value: 400 });
		expect(finished({ property: 'status', op: 'gte', value: 'x' })).toBeNull();
		expect(finished({ property: 'plan', op: 'is_set', value: 'ignored' })).toEqual({ property: 'plan', op: 'is_set' });
	});
	it('offers comparisons by type', () => {
		const names = (kind: 'integer' | 'text', mixed = false) => operatorsFor({ property: 'x', kind, mixed }).map((one) => one.value);
		expect(names('integer')).toContain('gt');
		expect(names('text')).not.toContain('gt');
		expect(names('text', true)).toContain('gt');
	});
	it('becomes a request', () => {
		const draft = { ...blank(), project: 'p', events: [{ event: '$all', filters: [filterDraft()], where: ' ' }], measure: 'unique' as const, from: 'a', to: 'b' };
		expect(toRequest(draft)).toEqual({ project: 'p', events: [{ event: '$all', filters: [] }], measure: 'unique', breakdown: [], unit: 'day', from: 'a', to: 'b' });
		expect(toRequest({ ...draft, timezone: 'UTC' }).timezone).toBe('UTC');
		expect(selection({ ...eventDraft('A'), where: 'defined(properties["n"])' })).toEqual({ event: 'A', filters: [], where: 'defined(properties["n"])' });
	});
	it('finds the filter that an error is about past unfinished ones', () => {
		const done = { property: 'plan', op: 'is_set', value: '' };
		expect(filterAt({ ...eventDraft('A'), filters: [filterDraft('x'), done] }, 0)).toBe(done);
	});
	it('begins with what reads like the way in', () => {
		expect(beginnings(['$identify', 'API Key Created', 'Page Viewed', 'Signed Up'])).toEqual(['Signed Up', 'API Key Created']);
		expect(beginnings(['B', 'A', 'C'])).toEqual(['B', 'A']);
		expect(beginnings(['only'])).toEqual(['only']);
	});
});

describe('link', () => {
	const items = { events: eventDraft, filters: filterDraft, breakdown: String };
	const asked = (q: string) => fromLink(blank(), new URLSearchParams({ q }), items);
	it('carries what differs from the blank form, and back', () => {
		const draft = { ...blank(), project: 'p', events: [{ event: 'A', filters: [{ property: 'plan', op: 'equals', value: 'pro' }], where: 'x' }], breakdown: ['plan'] };
		expect(toLink(blank(), draft)).not.toContain('unit');
		expect(asked(toLink(blank(), draft))).toEqual(draft);
		expect(fromLink(blank(), new URLSearchParams(), items)).toBeNull();
	});
	it('takes nothing that does not have the shape of the form', () => {
		expect(asked('{"events":[{"event":7,"filters":"no","else":1},"no"],"unit":3,"breakdown":[1,"plan"]}')).toEqual({ ...blank(), events: [eventDraft()], breakdown: ['plan'] });
		expect([asked('{'), asked('[]'), asked('null')]).toEqual([null, blank(), blank()]);
	});
});

describe('faults', () => {
	it('are at the control that their path lies in', () => {
		expect([within('steps[1].event', 'steps[1]'), within('steps[1].event', 'steps'), within('steps[10]', 'steps[1]'), within('window.length', 'window')]).toEqual([true, true, false, true]);
		const error = toError(422, '{"error":{"code":"x","message":"m","path":"to"}}');
		expect([faultAt(error, ['from', 'to']), faultAt(error, 'from'), faultAt(null, 'to')]).toEqual([error, null, null]);
	});
});

describe('words', () => {
	it('sums what was withheld by reason', () => {
		const line = (recipient: string, values: number, category: string | null): Withheld => ({ recipient, reason: 'secret', because: 'it is a secret', category, values });
		expect(byReason([line('home', 2, 'secret'), line('a', 3, null), line('a', 1, null)])).toEqual([
			{ because: 'it is a secret', values: 6, recipients: [{ id: 'a', values: 4 }, { id: 'home', values: 2 }], categories: ['secret'] }
		]);
	});
	it('finds categories by key and by everyday words', () => {
		const all = ['user.contact.email', 'user.content', 'user.behavior'].map((key) => ({ key, sensitivity: 'simple' as const, extension: false }));
		expect(search(all, 'mail').map((one) => one.key)).toEqual(['user.contact.email']);
		expect(search(all, 'plan').map((one) => one.key)).toEqual(['user.behavior']);
		expect(search(all, '')).toHaveLength(3);
	});
	it('gives every coarse form one colour', () => expect([formKind('country'), formKind('clear')]).toEqual(['coarse', 'clear']));
	it('points SDKs at the intake over http and https', () => {
		for (const url of ['https://t.example.com', 'http://127.0.0.1:8686']) {
			const python = snippets('tok', `${url}/`).find((one) => one.id === 'python')?.code ?? '';
			// What Consumer of mixpanel 5.4.1 takes; a default that is left stands for the vendor's own host.
			for (const [name, path] of Object.entries({ events_url: 'track', people_url: 'engage', groups_url: 'groups', import_url: 'import' })) {
				expect(python).toContain(`${name}="${url}/${path}"`);
			}
		}
	});
	it('names no other host in any snippet', () => {
		const host = 't.example.com:8443';
		for (const { code } of snippets('tok', `https://${host}`)) {
			expect([...code.matchAll(/https?:\/\/([^/'"\s]+)/g)].every(([, named]) => named === host)).toBe(true);
			expect(code).toContain(host);
		}
		expect(snippets('tok', 'http://h').find((one) => one.id === 'node')?.code).toContain('key: process.env.IMPORT_SECRET');
		expect(snippets('tok', 'https://h').find((one) => one.id === 'node')?.code).toContain('secret: process.env.IMPORT_SECRET');
	});
});
