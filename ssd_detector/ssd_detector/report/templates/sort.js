// A click on a heading sorts its table; cells may carry the value to sort by.
for (const heading of document.querySelectorAll('.sortable th')) {
  heading.addEventListener('click', () => {
    const falls = heading.getAttribute('aria-sort') !== 'descending';
    for (const other of heading.parentElement.children) other.removeAttribute('aria-sort');
    heading.setAttribute('aria-sort', falls ? 'descending' : 'ascending');
    const value = row => {
      const cell = row.cells[heading.cellIndex];
      return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value || -1);
    };
    const body = heading.closest('table').tBodies[0];
    const rows = [...body.rows].sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      return typeof x === 'number' ? x - y : x.localeCompare(y);
    });
    body.append(...(falls ? rows.reverse() : rows));
  });
}
