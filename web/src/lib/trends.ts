// The Trends question: choices, and how the form becomes a request. Pure.
import type { SegmentationRequest, Unit } from '$lib/api/types';
import { type EventDraft, selection } from './selection';

export interface Draft {
	project: string;
	events: EventDraft[];
	measure: 'total' | 'unique';
	breakdown: string[];
	unit: Unit;
	from: string;
	to: string;
	timezone: string;
}

export const blank = (): Draft => ({ project: '', events: [], measure: 'total', breakdown: [], unit: 'day', from: '', to: '', timezone: '' });

export function toRequest({ events, timezone, ...draft }: Draft): SegmentationRequest {
	return { ...draft, events: events.map(selection), ...(timezone === '' ? {} : { timezone }) };
}
