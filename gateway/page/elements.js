// How is an element of a page found, and how is one made? Text is text and never markup.

export const at = (id) => document.getElementById(id);

export function element(name, text = "", classes = "") {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = classes;
  return made;
}
