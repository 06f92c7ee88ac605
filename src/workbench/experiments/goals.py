"""Whether less or more of a metric is better, by the words in its name. The table is told in `docs/comparing.md`."""

import re

from workbench.experiments.types import Goal

_TABLE: dict[Goal, str] = {
    "min": """
        loss losses error errors err perplexity ppl bpb bpc bpd nll ce crossentropy xent mae mse rmse mape smape rmsle
        wer cer ter fid kid fvd lpips regret cost latency ttft tpot itl time duration seconds sec ms elapsed memory mem
        brier ece divergence kl distance deviation residual penalty eer hamming chamfer violations failures fpr fnr
        toxicity
    """,
    "max": """
        acc accuracy top f1 fbeta auc auroc auprc aupr ap map precision recall sensitivity specificity reward rewards
        return returns score bleu sacrebleu chrf rouge rougel rougelsum meteor bertscore comet r2 iou miou dice jaccard
        psnr ssim throughput mfu hfu success win wins winrate elo em pass match correlation pearson spearman pearsonr
        spearmanr kappa mcc ndcg mrr hit hits likelihood elbo speed qps rps tps fps utilization coverage correct solved
    """,
}
_GOALS: dict[str, Goal] = {word: goal for goal, words in _TABLE.items() for word in words.split()}
_WORD = re.compile(r"[A-Z]+(?![a-z])\d*|[A-Z]?[a-z]+\d*|\d+")
# So much a second is more; so many seconds a step is no rate.
_RATE = re.compile(r"(?:\bper |/)(?:s|secs?|seconds?|min|minutes?|hours?|h|day)\b", re.IGNORECASE)
_NEGATED = frozenset({"neg", "negative", "minus"})


def known(metric: str) -> Goal | None:
    """What the name METRIC says: `min` or `max`; None where it says nothing.

    The last telling word counts (`reward_loss` is a loss), a rate counts as more (`tokens_per_second`), and a word
    for the negative turns it round (`neg_mean_squared_error`, `negative_log_likelihood`).
    """
    if _RATE.search(metric.replace("_", " ")):
        return "max"
    words = [word.lower() for word in _WORD.findall(metric)]
    for place in reversed(range(len(words))):
        goal = _GOALS.get(words[place]) or _GOALS.get(words[place].rstrip("0123456789"))
        if goal is not None:
            return ("max" if goal == "min" else "min") if _NEGATED & set(words[:place]) else goal
    return None


def goal_of(metric: str) -> Goal:
    """What the name METRIC says, `min` where it says nothing: most of what is logged is a loss or a cost."""
    return known(metric) or "min"
