// What Streamlit gives a component, and what components tell each other.

import type { Facets, Grid, Outbox } from "./messages.js";

export interface Component {
  parentElement: ShadowRoot;
  data: unknown;
  setStateValue(name: string, value: unknown): void;
  setTriggerValue(name: string, value: unknown): void;
}

// What is decided: a tag, a class by its name or index, or the number of an entry.
export type Value = string | number | null;
// A decision as it is kept; `quiet`: who decided it asks for new data by itself.
export type Decided = Omit<Outbox.Decision, "ids"> & { ids?: Ranges; at: number; quiet?: boolean };
export type Answered = Outbox.Outcome & { decided: Decided; received: number };
export type Keeper = { keeper: string; decisions: string; window: string };
export type Listener = { changed?: () => void; answered?: (answered: Answered) => void };
// What decisions name, and the newest entry of the log that is shown.
export type About = { dataset: string; version: string; entry: number };

// What is asked of Python by an act; `at` is its number.
export type Asked = Record<string, unknown> & { at: number };
// An act on its way, and what the browser alone knows of it: what the chips of a facet will say, and what is left of
// the facet.
export type Act = { sent: Asked; texts?: string[]; left?: Facets.FacetEvent };
export type Ranges = [number, number][];
// An image as grid and viewer draw it: a tile, or what the viewer says of a picture.
export type Row = Pick<Grid.Tile, "id" | "title" | "badges" | "muted"> &
  Partial<Grid.Tile> & { given?: string; path?: string };

declare global {
  interface Window {
    wentBack?: (event: PopStateEvent) => void;
  }
  interface WindowEventMap {
    "avhcurate-shown": CustomEvent<{ view: string; place: number | null }>;
    "avhcurate-linked": CustomEvent<{ by?: "grid" | "chart"; view: string; ranges: Ranges; place: number | null }>;
    "avhcurate-look": Event;
    "avhcurate-answers": Event;
  }
}
