// Run inside the page by driver.rs, which asks for one of these functions by name.

const squeezed = (text) => (text ?? '').replace(/\s+/g, '');
const visible = (element) => element.checkVisibility({ visibilityProperty: true });
// Behind a modal dialog nothing can be reached.
const scope = () => [...document.querySelectorAll('dialog:modal')].at(-1) ?? document.body;

const actions = 'a[href], button, summary, input:not([type=hidden]), [role=menuitem], [role=tab], [role=option]';
const fields = 'input:not([type=hidden]), textarea, select';

// All that an accessible name could be made of. The browser itself then says which name it is.
function material(element) {
  const ids = (element.getAttribute('aria-labelledby') ?? '').split(/\s+/);
  return squeezed([
    element.textContent, element.getAttribute('aria-label'), element.title, element.value, element.placeholder,
    ...ids.map((id) => document.getElementById(id)?.textContent),
    ...[...(element.labels ?? [])].map((label) => label.textContent),
    ...[...element.querySelectorAll('[aria-label], [alt]')].map((part) => part.ariaLabel ?? part.alt),
  ].join(' '));
}

// The smallest block that shows the text: a row, a list item, a card.
function block(text) {
  return [...scope().querySelectorAll('tr, li, article, section, fieldset, form, [role=row]')]
    .filter((element) => visible(element) && element.innerText.includes(text))
    .sort((one, other) => one.innerText.length - other.innerText.length)[0];
}

function candidates(kind, name, beside) {
  const within = beside ? block(beside) : scope();
  if (!within) return [];
  return [...within.querySelectorAll(kind === 'field' ? fields : actions)]
    .filter((element) => visible(element) && material(element).includes(squeezed(name)));
}

const overflow = () => document.documentElement.scrollWidth - document.documentElement.clientWidth;
const shown = () => document.body.innerText;
const main = () => (document.querySelector('main') ?? document.body).innerText;

function setDate(element, value) {
  element.value = value;
  for (const kind of ['input', 'change']) element.dispatchEvent(new Event(kind, { bubbles: true }));
}

function axe(done) {
  const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22a', 'wcag22aa', 'best-practice'];
  window.axe.run(document, { runOnly: tags, resultTypes: ['violations'] }).then(
    ({ violations }) => done(violations.flatMap(({ id, impact, help, nodes }) =>
      nodes.map((node) => `${id} (${impact}): ${help}: ${node.html}\n  ${node.failureSummary.replace(/\s+/g, ' ')}`))),
    (error) => done([`axe itself failed: ${error}`]),
  );
}
