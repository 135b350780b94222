package diagnosis

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Markdown returns the table as the README shows it: one line for each row, or
// for rows that share one.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| What you see | What it means | What to do |\n| --- | --- | --- |\n")
	for _, line := range readmeLines() {
		b.WriteString("| " + strings.Join([]string{
			column(line, func(r Row) string { return code(r.Says) }),
			column(line, func(r Row) string { return r.Means }),
			column(line, func(r Row) string { return r.Do }),
		}, " | ") + " |\n")
	}
	return b.String()
}

// readmeLines groups the rows by their lines, sorted by ID.
func readmeLines() [][]Row {
	rows := Table()
	slices.SortStableFunc(rows, func(a, b Row) int {
		return cmp.Or(
			cmp.Compare(readmeOrder(cmp.Or(a.With, a.ID)), readmeOrder(cmp.Or(b.With, b.ID))),
			cmp.Compare(a.With, b.With),
		)
	})
	var lines [][]Row
	for _, row := range rows {
		if row.With == "" {
			lines = append(lines, nil)
		}
		last := len(lines) - 1
		lines[last] = append(lines[last], row)
	}
	return lines
}

// readmeOrder sorts IDs by what they are about, then by number.
func readmeOrder(id string) int {
	number, _ := strconv.Atoi(id[1:])
	return strings.IndexByte("MEOSL", id[0])*1000 + number
}

// column returns a cell: one line of it for each row.
func column(rows []Row, text func(Row) string) string {
	var texts []string
	for _, row := range rows {
		texts = append(texts, text(row))
	}
	return strings.ReplaceAll(strings.Join(texts, "<br>"), "|", `\|`)
}

// code sets what servers say in a fixed-width font, each text for itself.
func code(says string) string {
	return "`" + strings.ReplaceAll(says, "; ", "`; `") + "`"
}
