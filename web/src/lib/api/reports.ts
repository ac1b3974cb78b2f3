// The answers of the blast radius and of Trends.
import type { Sensitivity } from './types';

export type Basis = 'sent' | 'held';
export interface Radius {
	vendor: string;
	basis: Basis;
	since: string;
	until: string;
	people: number;
	people_possible: number;
	people_claimed_retention?: number | null;
	organizations: number;
	events: number;
	fields: { field: string; category: string; form: string; people: number; first: string; last: string }[];
	categories: { category: string; sensitivity: Sensitivity; people: number }[];
	not_exposed: string[];
	unknown: string[];
	coverage: 'routed' | 'partial' | 'none';
	complete_from: string | null;
	complete_through: string | null;
	gaps: { since: string; until: string; reason: string }[];
	elapsed_us: number;
}
export interface Schema {
	properties: { property: string; kind: string; mixed: boolean }[];
	events: string[];
	rows: number;
	days: [string, string] | null;
}
export interface Filter {
	property: string;
	op: string;
	value?: string | number | (string | number)[];
}
export interface SegmentationRequest {
	project: string;
	events: { event: string; filters: Filter[] }[];
	measure: 'total' | 'unique';
	breakdown: string[];
	unit: 'hour' | 'day' | 'week' | 'month';
	from: string;
	to: string;
}
export interface Segmentation {
	buckets: string[];
	incomplete: boolean[];
	series: { event: string; segment: (string | null)[]; values: number[] }[];
	snapshot: string;
}
