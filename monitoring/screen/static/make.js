// Elements. Text is text: nothing from the data becomes HTML.

const SVG = "http://www.w3.org/2000/svg";

/** An element with a class, text or children. */
export function make(tag, className, content) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (Array.isArray(content)) element.append(...content.filter((child) => child !== null));
  else if (content !== undefined) element.textContent = content;
  return element;
}

/** An element of a picture. */
export function svg(tag, attributes, text) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

/** A button that does something, with a class and text or children. */
export function button(className, content, act) {
  const element = make("button", className, content);
  element.type = "button";
  element.addEventListener("click", act);
  return element;
}
