// What Python and the scripts tell each other, written from Python's types by `python -m tests.fakes.messages`.

export namespace Chips {
  export interface ChipButton {
    key: string;
    text: string;
    left: FacetEvent;
  }
  export interface FacetEvent {
    key: string;
    kind: "values" | "range" | "find" | "remove";
    values?: (number | string | null)[];
    low: number | null;
    high: number | null;
    find: string;
  }
  export interface Data {
    chips: ChipButton[];
    label: string;
    handled: number;
  }
}

export namespace Classify {
  export interface Item {
    id: number;
    task: string;
    src: string;
  }
  export interface Data {
    dataset: string;
    version: string;
    entry: number;
    scope: string;
    echo: number;
    who: string;
    subject: string;
    items: Item[];
    classes: string[];
    keys: string[];
    about: string[];
    done: number;
    goal: number;
    apart: string;
    finished: boolean;
    skip: boolean;
    least_ms: number;
  }
}

export namespace Facets {
  export interface Bar {
    text: string;
    samples: number;
    matching: number;
    value: number | string | null;
    low: number | null;
    high: number | null;
  }
  export interface Panel {
    key: string;
    title: string;
    shape: "rows" | "columns" | "range";
    bars: Bar[];
    chosen: any[];
    help: string;
    ends: [number, number] | null;
    more: number;
    find: string;
    removable: boolean;
  }
  export interface Data {
    panels: Panel[];
    label: string;
    handled: number;
  }
  export interface FacetEvent {
    key: string;
    kind: "values" | "range" | "find" | "remove";
    values?: (number | string | null)[];
    low?: number | null;
    high?: number | null;
    find?: string;
  }
}

export namespace Folder {
  export interface Data {
    suffixes: string[];
    most: number;
  }
}

export namespace Grid {
  export interface Actions {
    dataset: string;
    version: string;
    entry: number;
    classes: string[];
    tags: string[];
    sets: string[];
    keys: Record<string, Key>;
    done: Done | null;
    handled: number;
    bar?: Button[];
  }
  export interface Button {
    name: string;
    label: string;
    icon: string;
    asks: string;
    help: string;
    primary: boolean;
    always: boolean;
    disabled: boolean;
    reads?: boolean;
    decides: boolean;
    of: string;
    group: string;
  }
  export interface Done {
    number: number;
    text: string;
    undo: boolean | number;
  }
  export interface Group {
    title: string;
    count: number;
    lacks: string[];
    asks?: Record<string, string>;
  }
  export interface Key {
    action: string;
    value: string | number | null;
    text: string;
  }
  export interface Tile {
    id: number;
    src: string;
    title: string;
    predicted: string;
    score: string;
    percentile: number | null;
    sub: string;
    note: string;
    badges: string[];
    differs: boolean;
    muted: boolean;
    alt: string;
  }
  export interface Data {
    tiles: Tile[];
    count: number;
    groups: Group[];
    source: string;
    view: string;
    about: string;
    order: string;
    start: number;
    size: number;
    label: string;
    height: "all" | "part" | "window" | number;
    selectable: boolean;
    hint: boolean;
    open: boolean | null;
    why: boolean;
    actions: Actions | null;
  }
}

export namespace Outbox {
  export interface Decision {
    kind: string;
    nonce: string;
    dataset: string;
    version: string;
    window?: string;
    ids?: number[][];
    value?: string | number | null;
    of?: string;
    who?: string;
    task?: string;
    choice?: number;
    ms?: number;
    ticked?: number[];
  }
  export interface Outcome {
    why: string;
    text: string;
    undo: boolean | number;
    nonce: string;
    entry: number;
    counts: [number, number, number];
  }
}

export namespace Page {
  export interface Data {
    page: string;
    dataset: string;
    entry: number;
    keeper: string;
    decisions: string;
    health: string;
    changes: string;
    session: string;
    query: string;
    backs: number;
  }
}

export namespace Proposals {
  export interface Proposal {
    text: string;
    first: string;
    second: string;
  }
  export interface Undoable {
    number: number;
    text: string;
    first: string;
    second: string;
  }
  export interface Data {
    dataset: string;
    version: string;
    entry: number;
    scope: string;
    echo: number;
    kind: "merge classes" | "split class";
    proposals: Proposal[];
    begin: number;
    place: number;
    total: number;
    views: string[];
    undo: Undoable[];
    why: string;
  }
}

export namespace Review {
  export interface Actions {
    dataset: string;
    version: string;
    entry: number;
    classes: string[];
    tags: string[];
    sets: string[];
    keys: Record<string, Key>;
    done: Done | null;
    handled: number;
    bar?: Button[];
  }
  export interface Button {
    name: string;
    label: string;
    icon: string;
    asks: string;
    help: string;
    primary: boolean;
    always: boolean;
    disabled: boolean;
    reads?: boolean;
    decides: boolean;
    of: string;
    group: string;
  }
  export interface Done {
    number: number;
    text: string;
    undo: boolean | number;
  }
  export interface Key {
    action: string;
    value: string | number | null;
    text: string;
  }
  export interface NamedClass {
    label: number;
    name: string;
  }
  export interface Row {
    source: string;
    label: string;
    text: string;
    doubts: boolean;
  }
  export interface Strip {
    title: string;
    images: string[];
  }
  export interface Suspect {
    id: number;
    place: number;
    choices: NamedClass[];
    suggested: number;
    src: string;
    name: string;
    given: string;
    lead: string;
    facts: string;
    rows: Row[];
    strips: Strip[];
    state: string;
    tags: string[];
    excluded: boolean;
    asked: boolean;
  }
  export interface Data {
    dataset: string;
    version: string;
    entry: number;
    scope: string;
    echo: number;
    suspects: Suspect[];
    queue: string;
    of: string;
    place: number;
    total: number;
    left: number;
    tally: string;
    least_ms: number;
    actions: Actions;
  }
}

export namespace Scatter {
  export interface Corners {
    x: number[];
    y: number[];
  }
  export interface Legend {
    title: string;
    entries: LegendEntry[];
    scale?: Scale;
  }
  export interface LegendEntry {
    name: string;
    color: string;
    symbol: number;
    shade: number;
  }
  export interface Marks {
    x: number[];
    y: number[];
    names: string[];
    named: boolean;
    title: string;
    what: string;
  }
  export interface Name {
    x: number;
    y: number;
    text: string;
  }
  export interface Scale {
    colors: string[];
    ticks: string[];
  }
  export interface Data {
    source: string;
    count: number;
    bounds: [number, number, number, number];
    rows: string;
    score: string;
    window: [number, number, number, number] | null;
    whole: [number, number, number, number];
    tool: "lasso" | "select" | "pan";
    label: string;
    axes: string[];
    colors: number[][];
    symbols: number[];
    none: number[];
    legend: Legend;
    marks: Marks;
    names: Name[];
    found: Name | null;
    region: Corners | null;
    below: boolean;
    linked: boolean;
  }
}

export namespace Strip {
  export interface Data {
    dataset: string;
    entry: number;
    counts: [number, number, number];
  }
}

export namespace Ticks {
  export interface TickTile {
    id: number;
    src: string;
    large: string;
  }
  export interface Data {
    dataset: string;
    version: string;
    entry: number;
    scope: string;
    echo: number;
    who: string;
    tiles: TickTile[];
    task: string;
    name: string;
    size: number;
    ticked: number[];
    can_go_back: boolean;
  }
}

export namespace Viewer {
  export interface Actions {
    dataset: string;
    version: string;
    entry: number;
    classes: string[];
    tags: string[];
    sets: string[];
    keys: Record<string, Key>;
    done: Done | null;
    handled: number;
    bar?: Button[];
  }
  export interface Button {
    name: string;
    label: string;
    icon: string;
    asks: string;
    help: string;
    primary: boolean;
    always: boolean;
    disabled: boolean;
    reads?: boolean;
    decides: boolean;
    of: string;
    group: string;
  }
  export interface Done {
    number: number;
    text: string;
    undo: boolean | number;
  }
  export interface Key {
    action: string;
    value: string | number | null;
    text: string;
  }
  export interface Nearby {
    view: string;
    place: number | null;
    next: number | null;
    count: number;
    first: number;
    ids: number[];
  }
  export interface Picture {
    id: number;
    src: string;
    whole: string;
    alt: string;
    path: string;
    title: string;
    given: string;
    predicted: string;
    badges: string[];
    muted: boolean;
  }
  export interface Data {
    images: Picture[];
    active: number;
    near: Nearby;
    src: string;
    whole: string;
    actions: Actions;
    closed: string;
    label: string;
  }
}

export namespace Why {
  export interface Reason {
    src: string;
    title: string;
    angles: [number, number];
    words: [string, string];
  }
  export interface Data {
    reason: Reason;
  }
}
