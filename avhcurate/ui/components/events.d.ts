// What Streamlit gives a component, and what components tell each other.

import type { Facets, Outbox } from "./messages.js";

export interface Component {
  parentElement: ShadowRoot;
  data: unknown;
  setStateValue(name: string, value: unknown): void;
  setTriggerValue(name: string, value: unknown): void;
}

// A decision as it is kept; `quiet`: who decided it asks for new data by itself.
export type Decided = Omit<Outbox.Decision, "ids"> & { ids?: Ranges; at: number; quiet?: boolean };
export type Answered = Outbox.Outcome & { decided: Decided; received: number };
export type Keeper = { keeper: string; decisions: string; window: string };
export type Hearer = { changed?: () => void; answered?: (answered: Answered) => void };
// What decisions name, and the newest entry of the log that is shown.
export type About = { dataset: string; version: string; entry: number };

// What is asked of Python by an act; `at` is its number.
export type Asked = Record<string, unknown> & { at: number };
// An act on its way, and what the browser alone knows of it: what the chips of a facet will say, what is left of a facet
// without a chip.
export type Act = { sent: any; texts?: string[]; left?: Facets.FacetEvent };
export type Ranges = [number, number][];
export type Row = {
  id: number;
  title: string;
  badges: string[];
  muted: boolean;
  given?: string;
  [more: string]: any;
};

declare global {
  interface WindowEventMap {
    "avhcurate-shown": CustomEvent<{ view: string; place: number | null }>;
    "avhcurate-linked": CustomEvent<{ by?: "grid" | "chart"; view: string; ranges: Ranges; place: number | null }>;
    "avhcurate-look": Event;
  }
}
