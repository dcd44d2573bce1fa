// What Streamlit gives a component, and what components tell each other.

export interface Component {
  parentElement: ShadowRoot;
  data: unknown;
  reliable?: boolean; // what is sent arrives, however late
  setStateValue(name: string, value: unknown): void;
  setTriggerValue(name: string, value: unknown): void;
}

// What is asked of Python by an act; `at` is its number.
export type Asked = Record<string, unknown> & { at: number };
// An act on its way, and what the browser alone knows of it: the images that it is about.
export type Act = { sent: any; ids?: Set<number> };
export type Ranges = [number, number][];
export type Row = {
  id: number;
  title: string;
  badges: string[];
  muted: boolean;
  given?: string;
  [more: string]: any;
};

export type Chosen = { key: string; texts: string[]; done?: boolean; gone?: boolean };

declare global {
  interface WindowEventMap {
    "avhcurate-chosen": CustomEvent<Chosen>;
    "avhcurate-cleared": CustomEvent<{ key: string; done?: boolean; [act: string]: any }>;
    "avhcurate-shown": CustomEvent<{ view: string; place: number | null }>;
    "avhcurate-linked": CustomEvent<{ by?: "grid" | "chart"; view: string; ranges: Ranges; place: number | null }>;
    "avhcurate-look": Event;
  }
}
