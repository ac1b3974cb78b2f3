// The names that the pages use for what the admin API says; all of them come from its description (schema.ts, `npm run schema`).
import type { components } from './schema';

type Schemas = components['schemas'];

export type Problem = Schemas['Problem'];
export type Status = Schemas['Status'];
export type Overview = Schemas['Overview'];
export type Flow = Schemas['Flow'];
export type Withheld = Schemas['WithheldLine'];
export type VendorLine = Schemas['VendorLine'];
export type Because = Schemas['Because'];
export type LiveEvent = Schemas['LiveEvent'];
export type Live = Schemas['LiveEvents'];
export type Field = Schemas['Field'];
export type Fields = Schemas['FieldList'];
export type Category = Schemas['CategoryInfo'];
export type Consent = Schemas['Consent'];
export type DeliveryState = Schemas['DeliveryState'];
export type Vendor = Schemas['Vendor'];
export type PastVendor = Schemas['Past'];
export type Leaf = Schemas['Leaf'];
export type Basis = Schemas['Basis'];
export type Radius = Schemas['TimedRadius'];
export type Schema = Schemas['CatalogInfo'];
export type Filter = Schemas['Filter'];
export type FilterOp = Schemas['FilterOp'];
export type Unit = Schemas['Unit'];
export type SegmentationRequest = Schemas['SegmentationRequest'];
export type Segmentation = Schemas['Segmentation'];
export type EventSelection = Schemas['EventSelection'];
export type FunnelRequest = Schemas['FunnelRequest'];
export type Funnel = Schemas['Funnel'];
export type FunnelWindow = Schemas['FunnelWindow'];
export type RetentionRequest = Schemas['RetentionRequest'];
export type Retention = Schemas['Retention'];
export type FlowsRequest = Schemas['FlowsRequest'];
export type Flows = Schemas['Flows'];
