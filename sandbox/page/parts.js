// What is the page made of? Elements, drawn lines and buttons. Text is always text: nothing here is read as markup.

export function make(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

export function draw(path, box) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.setAttribute("viewBox", box);
  svg.setAttribute("aria-hidden", "true");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

export function button(className, content, onClick) {
  const made = make("button", className, content);
  made.type = "button";
  made.addEventListener("click", onClick);
  return made;
}
