package bench

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/activitylog/activitylog/cmd/loadgen/chaos"
)

// scrape sums a sample of the text format over processes.
func scrape(ctx context.Context, c *chaos.Cluster, sample string) (sum float64, err error) {
	for _, name := range c.Names {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL(name)+"/metrics", nil)
		if err != nil {
			return 0, fmt.Errorf("metrics of %s: %w", name, err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, fmt.Errorf("metrics of %s: %w", name, err)
		}
		lines := bufio.NewScanner(res.Body)
		for lines.Scan() {
			if value, ok := strings.CutPrefix(lines.Text(), sample+" "); ok {
				v, _ := strconv.ParseFloat(value, 64)
				sum += v
			}
		}
		_ = res.Body.Close()
		if err := lines.Err(); err != nil {
			return 0, fmt.Errorf("metrics of %s: %w", name, err)
		}
	}
	return sum, nil
}

// addBatches adds the mean size of an insert: the cost of an entry in the engine depends on it.
func (b *bench) addBatches(ctx context.Context, c *chaos.Cluster) error {
	rows, err := scrape(ctx, c, "activity_consumer_batch_rows_sum")
	if err != nil {
		return err
	}
	batches, err := scrape(ctx, c, "activity_consumer_batch_rows_count")
	if err != nil {
		return err
	}
	b.add(Figure{What: "rows per batch of the consumer", Unit: "%.0f", Note: "mean"}, rows/max(batches, 1))
	return nil
}
