package broker

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// rules decide which files may be dropped.
type rules struct {
	retention map[string]time.Duration // by topic; negative means for ever
	consumed  map[string]map[int32]int64
}

// allow reports whether s may be dropped. A topic that is kept for ever and records that a group has not read are never dropped.
// Any other s may be dropped because of its age or, if the logs are too large, because the groups have read it.
func (r rules) allow(s segment, tooMuch bool, now time.Time) bool {
	keep, known := r.retention[s.topic]
	if !known || keep < 0 {
		return false
	}
	consumed, read := r.consumed[s.topic][s.partition]
	if read && consumed < s.end {
		return false
	}
	return now.Sub(s.written) > keep || (tooMuch && read)
}

func (k *keeper) rules(ctx context.Context, client *kgo.Client) (rules, error) {
	retention, err := retentions(ctx, client)
	if err != nil {
		return rules{}, err
	}
	groups, err := kmsg.NewPtrListGroupsRequest().RequestWith(ctx, client)
	if err != nil {
		return rules{}, fmt.Errorf("list groups: %w", err)
	}
	r := rules{retention: retention, consumed: map[string]map[int32]int64{}}
	for _, g := range groups.Groups {
		info := k.b.cluster.GroupInfo(g.Group)
		if info == nil {
			continue
		}
		for topic, partitions := range info.Commits {
			if g.Group == schemakafka.Nudges(topic) { // it reads nothing
				continue
			}
			for p, commit := range partitions {
				r.commit(topic, p, commit.Offset)
			}
		}
	}
	return r, nil
}

func (r rules) commit(topic string, partition int32, offset int64) {
	if r.consumed[topic] == nil {
		r.consumed[topic] = map[int32]int64{}
	}
	if at, ok := r.consumed[topic][partition]; !ok || offset < at {
		r.consumed[topic][partition] = offset
	}
}

// retentions returns retention.ms of each topic.
func retentions(ctx context.Context, client *kgo.Client) (map[string]time.Duration, error) {
	meta := kmsg.NewPtrMetadataRequest()
	found, err := meta.RequestWith(ctx, client)
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	req := kmsg.NewPtrDescribeConfigsRequest()
	for _, t := range found.Topics {
		if t.Topic == nil {
			continue
		}
		r := kmsg.NewDescribeConfigsRequestResource()
		r.ResourceType, r.ResourceName, r.ConfigNames = kmsg.ConfigResourceTypeTopic, *t.Topic, []string{"retention.ms"}
		req.Resources = append(req.Resources, r)
	}
	res, err := req.RequestWith(ctx, client)
	if err != nil {
		return nil, fmt.Errorf("read retention of topics: %w", err)
	}
	out := map[string]time.Duration{}
	for _, r := range res.Resources {
		for _, c := range r.Configs {
			if c.Value == nil {
				continue
			}
			ms, err := strconv.ParseInt(*c.Value, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("retention of %s: %w", r.ResourceName, err)
			}
			out[r.ResourceName] = time.Duration(ms) * time.Millisecond
		}
	}
	return out, nil
}
