// What every component's script begins with: making nodes, and being mounted.

function element(tag, className, parent) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (parent) parent.appendChild(node);
  return node;
}

// The function that Streamlit calls for a component: one instance a place, a new one where the data's `scope`, if it
// has one, is another.
function mounted(create) {
  const made = new WeakMap();
  return (component) => {
    const { parentElement, data } = component;
    let one = made.get(parentElement);
    if (one && one.scope !== data.scope) {
      one.destroy();
      one = null;
    }
    if (!one) {
      one = create(parentElement, data);
      made.set(parentElement, one);
    }
    one.update(data, component);
    return () => {
      one.destroy();
      made.delete(parentElement);
    };
  };
}

