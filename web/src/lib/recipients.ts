// Who would get a field if it had a category, and who gets it newly as sent. Pure.
import type { Field, Vendor } from '$lib/api/types';

export interface Getting {
	id: string;
	form: string;
	/** Nothing leaves for it until somebody resumes it. */
	contained: boolean;
}

/** What a vendor's table says of a category: its longest line that covers it decides. */
export function formOf(receives: Vendor['receives'], category: string): string | null {
	const covering = receives.filter((line) => category === line.category || category.startsWith(`${line.category}.`));
	const line = covering.reduce<Vendor['receives'][number] | null>((best, one) => (best && best.category.length >= one.category.length ? best : one), null);
	return line && line.form !== 'withheld' ? line.form : null;
}

/** The vendors of the field's project that would get it, and in which form. */
export function getting(field: Field, category: string, vendors: Vendor[]): Getting[] {
	return vendors
		.filter((vendor) => vendor.kind !== 'external' && vendor.projects.includes(field.project))
		.map((vendor) => ({ id: vendor.id, form: formOf(vendor.receives, category), contained: vendor.delivery.state === 'contained' }))
		.filter((one): one is Getting => one.form !== null);
}

/** Those of them that do not get the field as sent today. */
export function newlyClear(field: Field, category: string, vendors: Vendor[]): Getting[] {
	const today = new Map(field.vendors.map(({ id, form }) => [id, form]));
	return getting(field, category, vendors).filter(({ id, form }) => form === 'clear' && today.get(id) !== 'clear');
}
