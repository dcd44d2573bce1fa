// What Streamlit gives a component, and what components tell each other.

import type { Facets } from "./messages.js";

export interface Component {
  parentElement: ShadowRoot;
  data: unknown;
  reliable?: boolean; // what is sent arrives, however late
  setStateValue(name: string, value: unknown): void;
  setTriggerValue(name: string, value: unknown): void;
}

// What is asked of Python by an act; `at` is its number.
export type Asked = Record<string, unknown> & { at: number };
// An act on its way, and what the browser alone knows of it: the images that it is about, what the chips of a facet will
// say, what is left of a facet without a chip.
export type Act = { sent: any; ids?: Set<number>; texts?: string[]; left?: Facets.FacetEvent };
export type Subject = "images" | "filters";
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
