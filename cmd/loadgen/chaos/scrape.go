package chaos

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Sum adds up a sample of the text format, such as name{label="x"}, over members; one that lacks it counts 0.
func (c *Cluster) Sum(ctx context.Context, sample string, members ...string) (sum float64, err error) {
	for _, name := range members {
		v, err := c.Sample(ctx, name, sample)
		if err != nil {
			return 0, err
		}
		sum += v
	}
	return sum, nil
}

func (c *Cluster) Sample(ctx context.Context, member, sample string) (sum float64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL(member)+"/metrics", nil)
	if err != nil {
		return 0, fmt.Errorf("metrics of %s: %w", member, err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Errorf("metrics of %s: %w", member, err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if name == sample || strings.HasPrefix(name, sample+"{") {
			v, _ := strconv.ParseFloat(value, 64)
			sum += v
		}
	}
	return sum, lines.Err()
}
