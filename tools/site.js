// What the theme leaves out for those who cannot see the page, or have no mouse.

// Captions of the navigation call themselves headings; a heading needs a level.
function levelCaptions() {
  const captions = document.querySelectorAll('[role=heading]:not([aria-level])');
  captions.forEach((caption) => caption.setAttribute('aria-level', '2'));
}

// A box that scrolls must be reachable by the keyboard, and only then a stop of the tab key.
function reachBoxes() {
  for (const box of document.querySelectorAll('.table-wrapper, .output, pre, div.math')) {
    const scrolls = box.scrollWidth > box.clientWidth + 1;
    if (scrolls) box.setAttribute('tabindex', '0');
    else box.removeAttribute('tabindex');
  }
}

addEventListener('load', () => {
  levelCaptions();
  reachBoxes();
});
addEventListener('resize', reachBoxes);
