// The admin API's answers, as the server's routes define them (crates/cofferdam-server/src/routes).
export * from './reports';

export interface Problem {
	severity: 'error' | 'warning';
	code: string;
	file: string;
	line: number;
	column: number;
	message: string;
	help: string;
}
export interface Project {
	name: string;
	token: string;
	region: string;
	timezone: string;
	organization_key: string | null;
}
export interface Status {
	version: string;
	started_at: number;
	now: number;
	mode: 'serve' | 'demo';
	public_url: string;
	projects: Project[];
	vendors: { id: string; name: string }[];
	journal: { healthy: boolean; next_seq: number; store_cursor: number; visible_seq: number };
	policy: { id: number; state: 'active' | 'broken'; problems: Problem[] };
	warnings: Problem[];
}
export interface Flow {
	source: string;
	category: string;
	form: string;
	recipient: string;
	people: number;
}
export interface Withheld {
	recipient: string;
	reason: string;
	because: string;
	category: string | null;
	values: number;
}
export interface VendorLine {
	id: string;
	name: string;
	state: string;
	delivered: number;
	possible: number;
	backlog: number;
}
export interface Overview {
	accepted: number;
	stored: number;
	duplicates: number;
	people: number;
	refused: { project: string; reason: string; because: string; count: number }[];
	per_day: { day: string; accepted: number; stored: number }[];
	vendors: VendorLine[];
	flows: Flow[];
	withheld: Withheld[];
}
export interface Because {
	reason: string;
	because: string;
}
export interface LiveField {
	path: string;
	category: string;
	rule: string;
	form: string | null;
	value: unknown;
	withheld: Because | null;
}
export interface LiveVendor {
	id: string;
	given: { path: string; form: string }[];
	withheld?: { path: string; reason: string; because: string }[];
	refused: Because | null;
}
export interface LiveEvent {
	seq: number;
	received: number;
	time: number;
	project: string;
	event: string;
	person: number;
	organization: number | null;
	provenance: 'verified' | 'claimed';
	refused: Because | null;
	fields: LiveField[];
	vendors: LiveVendor[];
}
export interface Live {
	events: LiveEvent[];
	next_seq: number;
}
export interface Field {
	project: string;
	path: string;
	category: string;
	rule: string;
	evidence: string;
	state: 'known' | 'new' | 'named';
	people: number | null;
	values: number;
	first_seen: string;
	types: string[];
	home_form: string;
	vendors: { id: string; form: string | null }[];
	guess: { category: string; evidence: string } | null;
}
export interface Category {
	key: string;
	sensitivity: Sensitivity;
	extension: boolean;
}
export type Sensitivity = 'simple' | 'behavioral' | 'financial' | 'sensitive';
export interface Fields {
	fields: Field[];
	categories: Category[];
}
export interface Written {
	file: string;
	line: number;
}
export interface Counted extends Because {
	count: number;
}
export interface Vendor {
	id: string;
	name: string;
	kind: string;
	endpoint: string | null;
	region: string;
	destination_region: string | null;
	purpose: string;
	projects: string[];
	consent: 'opt_out' | 'opt_in' | 'none';
	legal_basis: string;
	mode: 'enforce' | 'observe';
	observe_until: string | null;
	contract: {
		reference: string;
		signed: string | null;
		expires: string | null;
		reviewed: string | null;
		breach_notice_hours: number | null;
		retention_days: number | null;
		retention_verified: boolean;
		subprocessors: string[];
		certifications: { kind: string; expires: string | null }[];
	};
	receives: { category: string; form: string; words: string }[];
	delivery: {
		state: string;
		last_success: number | null;
		last_error: { code: string; status: number | null } | null;
		delivered: number;
		possible: number;
		refused: Counted[];
		withheld: Counted[];
		backlog: { events: number; bytes: number };
		rate_per_minute: number;
		next_attempt: number | null;
	};
	would_withhold: { path: string; reason: string; because: string; values: number }[];
	problems: Problem[];
}
export interface Contained {
	state: string;
	dropped_events: number;
	at: number;
}
