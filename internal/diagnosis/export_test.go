package diagnosis

// FillAll fills in all causes of a row, whether they apply or not.
func FillAll(row Row, f Facts) []Explanation {
	f.complete()
	var filled []Explanation
	for _, c := range row.causes() {
		filled = append(filled, c.fill(&f))
	}
	return filled
}
